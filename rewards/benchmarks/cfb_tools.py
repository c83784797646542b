"""Figures of ComplexFuncBench: the parameters of its booking tools, and which of them must be exactly equal."""

from typing import Any

# name: required ; optional    # = number, [] = array, else string
_PARAMETERS = """
Booking_Summary: search_key vehicle_id
Get_Attraction_Details: slug
Get_Availability: slug ; date
Get_Availability_Calendar: id
Get_Description_And_Info: hotel_id
Get_Filter: search_type dest_id departure_date arrival_date ; categories_filter children_age room_qty# adults#
Get_Flight_Details: token
Get_Hotel_Details: hotel_id
Get_Hotel_Policies: hotel_id
Get_Hotel_Review_Scores: hotel_id
Get_Hotel_Reviews_Tips: hotel_id ; sort_option_id
Get_Hotel_Reviews_Tips__Sort_Option: hotel_id
Get_Min_Price: fromId toId departDate ; cabinClass returnDate
Get_Min_Price_Multi_Stops: legs[] ; cabinClass
Get_Nearby_Cities: longitude latitude
Get_Packages: vehicle_id search_key
Get_Popular_Attraction_Near_By: hotel_id
Get_Question_And_Answer: hotel_id
Get_Room_Availability: min_date hotel_id max_date ; room_qty# adults#
Get_Room_List_With_Availability: hotel_id departure_date arrival_date ; adults# room_qty# children_age
Get_Seat_Map: offerToken
Location_to_Lat_Long: query
Payment_features_of_the_Hotel: hotel_id
Property_Children_Policies: hotel_id
Search_Attraction_Location: query
Search_Attractions: id ; sortBy
Search_Car_Location: query
Search_Car_Rentals: pick_up_longitude# drop_off_time drop_off_latitude# drop_off_date pick_up_time pick_up_latitude# \
pick_up_date drop_off_longitude#
Search_Flight_Location: query
Search_Flights: toId fromId departDate ; sort adults# cabinClass children returnDate
Search_Flights_Multi_Stops: legs[] ; adults# cabinClass sort children
Search_Hotel_Destination: query
Search_Hotels: search_type arrival_date dest_id# departure_date ; sort_by categories_filter price_min# price_max# \
children_age adults# room_qty#
Search_Hotels_By_Coordinates: departure_date latitude longitude arrival_date ; radius# room_qty# adults# children_age \
price_min# price_max#
Search_Taxi: drop_off_place_id pick_up_place_id pick_up_time pick_up_date
Taxi_Search_Location: query
Vehicle_Details: vehicle_id search_key
Vehicle_Supplier_Details: vehicle_id search_key
Vehicle_Supplier_Ratings: vehicle_id search_key
Vehicle_Supplier_Review: vehicle_id search_key
"""

# c = currency_code, l = languagecode; only parameters that the reference's call has are looked at
_EXACT = """
Search_Hotels_By_Coordinates: arrival_date departure_date latitude longitude c l
Get_Room_List_With_Availability: hotel_id departure_date arrival_date c l
Get_Room_Availability: c hotel_id
Get_Question_And_Answer: l hotel_id
Get_Nearby_Cities: l longitude latitude
Get_Popular_Attraction_Near_By: l hotel_id
Get_Hotel_Reviews(Tips): l hotel_id sort_option_id
Get_Hotel_Reviews(Tips)_Sort_Option: l hotel_id
Get_Hotel_Review_Scores: l hotel_id
Get_Hotel_Reviews_Filter_Metadata: l hotel_id
Property_Children_Policies: l hotel_id
Get_Hotel_Policies: l hotel_id
Get_Room_List: c l departure_date arrival_date hotel_id
Get_Description_And_Info: l hotel_id
Get_Hotel_Details: c l departure_date hotel_id arrival_date
Get_Filter: search_type l dest_id departure_date arrival_date categories_filter
Get_Sort_By: search_type departure_date l dest_id arrival_date
Payment_features_of_the_Hotel: l hotel_id
Search_Hotels: c l search_type arrival_date dest_id departure_date categories_filter sort_by
Search_Car_Rentals: c l pick_up_longitude drop_off_time drop_off_latitude drop_off_date pick_up_time pick_up_date \
drop_off_longitude
Search_Car_Location: l
Booking_Summary: c l search_key vehicle_id
Vehicle_Supplier_Ratings: c l vehicle_id search_key
Vehicle_Details: c l vehicle_id search_key
Vehicle_Supplier_Details: c l vehicle_id search_key
Get_Packages: c l vehicle_id search_key
Vehicle_Supplier_Review: l vehicle_id search_key
Get_Attraction_Details: c l slug
Search_Attractions: c l endDate startDate id
Get_Availability_Calendar: l id
Get_Availability: c l slug date
Search_Attraction_Location: l
Get_Min_Price_Multi_Stops: c
Get_Flight_Details: c token
Get_Min_Price: c fromId returnDate toId departDate
Get_Seat_Map: c offerToken
Search_Flights_Multi_Stops: c sort
Search_Flights: c toId fromId returnDate departDate sort
Search_Flight_Location: l
Search_Taxi: c l drop_off_place_id pick_up_place_id pick_up_time pick_up_date
Taxi_Search_Location: l
"""

# The cleaned names of the two tools whose published names have brackets.
_CLEANED = {
    "Get_Hotel_Reviews_Tips": "Get_Hotel_Reviews(Tips)",
    "Get_Hotel_Reviews_Tips__Sort_Option": "Get_Hotel_Reviews(Tips)_Sort_Option",
}
_SHORT = {"c": "currency_code", "l": "languagecode"}

FREE = frozenset(
    (
        "Location_to_Lat_Long",
        "Search_Hotel_Destination",
        "Search_Attraction_Location",
        "Search_Car_Location",
        "Search_Flight_Location",
        "Taxi_Search_Location",
    )
)
"""Look-ups of a place: optional."""


def _lines(table: str) -> list[tuple[str, str]]:
    pairs = [line.split(":", 1) for line in table.strip().splitlines()]
    return [(name, rest.strip()) for name, rest in pairs]


def _schema(rest: str) -> dict[str, Any]:
    def named(word: str) -> tuple[str, str]:
        return word.rstrip("#[]"), "number" if word.endswith("#") else "array" if word.endswith("[]") else "string"

    required, _, optional = rest.partition(";")
    properties = dict(map(named, [*required.split(), *optional.split()]))
    return {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in properties.items()},
        "required": [named(word)[0] for word in required.split()],
    }


SCHEMAS: dict[str, dict[str, Any]] = {name: _schema(rest) for name, rest in _lines(_PARAMETERS)}
"""Name of a tool -> JSON Schema of its parameters, required ones in the published order."""

_EXACT_BY_NAME = {name: [_SHORT.get(word, word) for word in rest.split()] for name, rest in _lines(_EXACT)}


def exact_parameters(name: str) -> list[str]:
    """The parameters of a tool that must be equal to count at all; none for a tool that the table does not have."""
    return _EXACT_BY_NAME.get(_CLEANED.get(name, name), [])
