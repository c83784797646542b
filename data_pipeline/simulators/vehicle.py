"""The benchmark's VehicleControlAPI: a car, its readings, and distances between a few towns."""

import random
from typing import Any

from data_pipeline.simulators.base import Simulator
from data_pipeline.words.json import Json, JsonObject

_SEED = 141053
_TANK, _MILES_PER_GALLON = 50, 20.0
_DOORS = ("driver", "passenger", "rear_left", "rear_right")
_TYRES = ("frontLeftTirePressure", "frontRightTirePressure", "rearLeftTirePressure", "rearRightTirePressure")
_DEFAULTS: JsonObject = {
    "fuelLevel": 0.0,
    "batteryVoltage": 12.6,
    "doorStatus": dict.fromkeys(_DOORS, "unlocked"),
    "acTemperature": 25.0,
    "fanSpeed": 50,
    "acMode": "auto",
    "humidityLevel": 50.0,
    "headLightStatus": "off",
    "parkingBrakeStatus": "released",
    "brakePedalStatus": "released",
    "distanceToNextVehicle": 50.0,
    "cruiseStatus": "inactive",
    "destination": "None",
    **dict(zip(_TYRES, (32.0, 32.0, 30.0, 30.0), strict=True)),
}
_ZIPCODES = {
    "Rivermist": "83214",
    "Stonebrook": "74532",
    "Maplecrest": "56108",
    "Silverpine": "62947",
    "Shadowridge": "71354",
    "Sunset Valley": "83462",
    "Oakendale": "47329",
    "Willowbend": "52013",
    "Crescent Hollow": "69238",
    "Autumnville": "51479",
    "San Francisco": "94016",
}
_KILOMETRES = {
    frozenset(pair): far
    for *pair, far in (
        ("83214", "74532", 750.0),
        ("56108", "62947", 320.0),
        ("71354", "83462", 450.0),
        ("47329", "52013", 290.0),
        ("69238", "51479", 630.0),
        ("94016", "83214", 980.0),
        ("94016", "94704", 600.0),
        ("94704", "08540", 2550.0),
        ("94016", "08540", 1950.0),
        ("62947", "47329", 1053.0),
        ("94016", "62947", 780.0),
        ("74532", "94016", 880.0),
    )
}


class VehicleControlAPI(Simulator):
    """The forces of the brakes and the slope are private state: they are not compared."""

    fuelLevel: Any
    batteryVoltage: Any
    engine_state: Any
    doorStatus: Any
    acTemperature: Any
    fanSpeed: Any
    acMode: Any
    humidityLevel: Any
    headLightStatus: Any
    parkingBrakeStatus: Any
    brakePedalStatus: Any
    distanceToNextVehicle: Any
    cruiseStatus: Any
    destination: Any

    def _load(self, config: JsonObject) -> None:
        self._take(config, _DEFAULTS)
        self.engine_state = config.get("engineState", "stopped")
        self.remainingUnlockedDoors = 4 - sum(status == "locked" for status in self.doorStatus.values())
        self._parking_force = config.get("parkingBrakeForce", 0.0)
        self._slope = config.get("slopeAngle", 0.0)
        self._pedal_force = config.get("brakePedalForce", 0.0)
        self._random = random.Random(config.get("random_seed", _SEED))
        self.long_context = self._long

    def startEngine(self, ignitionMode: Any) -> Json:
        if ignitionMode == "STOP":
            self.engine_state = "stopped"
        if self.remainingUnlockedDoors > 0:
            unlocked = ", ".join(door for door, status in self.doorStatus.items() if status == "unlocked")
            opening = "All doors must be locked before starting the engine. Here are the unlocked doors: "
            return {"error": opening + unlocked}
        if self.brakePedalStatus != "pressed":
            return {"error": "Brake pedal needs to be pressed when starting the engine."}
        if self._pedal_force != 1000.0:
            return {"error": "Must press the brake fully before starting the engine."}
        if self.fuelLevel < 0.0:
            return {"error": "Fuel tank is empty."}
        if ignitionMode != "START":
            return {"error": "Invalid ignition mode."}
        self.engine_state = "running"
        return {
            "engineState": self.engine_state,
            "fuelLevel": self.fuelLevel,
            "batteryVoltage": self.batteryVoltage,
        }

    def fillFuelTank(self, fuelAmount: Any) -> Json:
        if fuelAmount < 0:
            return {"error": "Fuel amount cannot be negative."}
        if self.fuelLevel + fuelAmount > _TANK:
            return {"error": "Cannot fill gas above the tank capacity."}
        if self.fuelLevel + fuelAmount < 0.0:
            return {"error": "Fuel tank is empty. Min fuel level is 0 gallons."}
        self.fuelLevel += fuelAmount
        return {"fuelLevel": self.fuelLevel}

    def lockDoors(self, unlock: Any, door: Any) -> Json:
        status, change = ("unlocked", 1) if unlock else ("locked", -1)
        for one in door:
            if self.doorStatus[one] != status:
                self.doorStatus[one] = status
                self.remainingUnlockedDoors += change
        return {"lockStatus": status, "remainingUnlockedDoors": self.remainingUnlockedDoors}

    def adjustClimateControl(
        self, temperature: Any, unit: Any = "celsius", fanSpeed: Any = 50, mode: Any = "auto"
    ) -> Json:
        if not 0 <= fanSpeed <= 100:
            return {"error": "Fan speed must be between 0 and 100."}
        self.acTemperature = (temperature - 32) * 5 / 9 if unit == "fahrenheit" else temperature
        self.fanSpeed, self.acMode = fanSpeed, mode
        return {"currentACTemperature": temperature, "climateMode": mode, "humidityLevel": self.humidityLevel}

    def get_outside_temperature_from_google(self) -> Json:
        drawn = {"outsideTemperature": self._random.uniform(-10.0, 40.0)}
        return drawn if self._filler is None else {**self._filler.weather, **drawn}

    def get_outside_temperature_from_weather_com(self) -> Json:
        return {"error": 404}

    def setHeadlights(self, mode: Any) -> Json:
        if mode not in ["on", "off", "auto"]:
            return {"error": "Invalid headlight mode."}
        self.headLightStatus = "on" if mode == "on" else "off"
        return {"headlightStatus": self.headLightStatus}

    def displayCarStatus(self, option: Any) -> Json:
        readings: dict[str, JsonObject] = {
            "fuel": {"fuelLevel": self.fuelLevel},
            "battery": {"batteryVoltage": self.batteryVoltage},
            "doors": {"doorStatus": self.doorStatus},
            "climate": {
                "currentACTemperature": self.acTemperature,
                "fanSpeed": self.fanSpeed,
                "climateMode": self.acMode,
                "humidityLevel": self.humidityLevel,
            },
            "headlights": {"headlightStatus": self.headLightStatus},
            "parkingBrake": {
                "parkingBrakeStatus": self.parkingBrakeStatus,
                "parkingBrakeForce": self._parking_force,
                "slopeAngle": self._slope,
            },
            "brakePedal": {"brakePedalStatus": self.brakePedalStatus, "brakePedalForce": self._pedal_force},
            "engine": {"engineState": self.engine_state},
        }
        known = isinstance(option, str) and option in readings
        opening = {} if self._filler is None else {"metadata": self._filler.car}
        return {**opening, **(readings[option] if known else {"error": "Invalid option"})}

    def activateParkingBrake(self, mode: Any) -> Json:
        if mode not in ["engage", "release"]:
            return {"error": "Invalid mode"}
        self.parkingBrakeStatus = f"{mode}d"
        self._parking_force, self._slope = (500.0 if mode == "engage" else 0.0), 10.0
        told = {
            "parkingBrakeStatus": self.parkingBrakeStatus,
            "_parkingBrakeForce": self._parking_force,
            "_slopeAngle": self._slope,
        }
        return told if self._filler is None else {"parkingBrakeInstruction": self._filler.parking_brake, **told}

    def pressBrakePedal(self, pedalPosition: Any) -> Json:
        if not (0 <= pedalPosition <= 1):
            return {"error": "Pedal position must be between 0 and 1."}
        if pedalPosition == 0:
            return self.releaseBrakePedal()
        self.brakePedalStatus, self._pedal_force = "pressed", pedalPosition * 1000
        return {"brakePedalStatus": "pressed", "brakePedalForce": float(self._pedal_force)}

    def releaseBrakePedal(self) -> Json:
        self.brakePedalStatus, self._pedal_force = "released", 0.0
        return {"brakePedalStatus": "released", "brakePedalForce": 0.0}

    def setCruiseControl(self, speed: Any, activate: Any, distanceToNextVehicle: Any) -> Json:
        distanceToNextVehicle, speed = float(distanceToNextVehicle), float(speed)
        if self.engine_state == "stopped":
            return {"error": "Start the engine before activating the cruise control."}
        self.distanceToNextVehicle = distanceToNextVehicle
        if activate and (speed < 0 or speed > 120 or speed % 5 != 0):
            return {"error": "Invalid speed"}
        self.cruiseStatus = "active" if activate else "inactive"
        return {
            "cruiseStatus": self.cruiseStatus,
            "currentSpeed": speed,
            "distanceToNextVehicle": distanceToNextVehicle,
        }

    def get_current_speed(self) -> Json:
        return {"currentSpeed": self._random.uniform(0.0, 120.0)}

    def display_log(self, messages: Any) -> Json:
        return {"log": messages}

    def estimate_drive_feasibility_by_mileage(self, distance: Any) -> Json:
        return {"canDrive": not self.fuelLevel * _MILES_PER_GALLON < distance}

    def liter_to_gallon(self, liter: Any) -> Json:
        return {"gallon": liter * 0.264172}

    def gallon_to_liter(self, gallon: Any) -> Json:
        return {"liter": gallon * 3.78541}

    def estimate_distance(self, cityA: Any, cityB: Any) -> Json:
        known = isinstance(cityA, str) and isinstance(cityB, str)
        far = _KILOMETRES.get(frozenset((cityA, cityB))) if known else None
        told: JsonObject = {"error": "distance not found in database."} if far is None else {"distance": far}
        return told if self._filler is None else {**told, "intermediaryCities": self._filler.cities}

    def get_zipcode_based_on_city(self, city: Any) -> Json:
        return {"zipcode": _ZIPCODES.get(city, "00000") if isinstance(city, str) else "00000"}

    def set_navigation(self, destination: Any) -> Json:
        self.destination = destination
        return {"status": "Navigating to " + destination}

    def check_tire_pressure(self) -> Json:
        pressures = {tyre: getattr(self, tyre) for tyre in _TYRES}
        return {
            **pressures,
            "healthy_tire_pressure": 30 <= sum(pressures.values()) / 4 <= 35,
            "car_info": {} if self._filler is None else self._filler.car,
        }

    def find_nearest_tire_shop(self) -> Json:
        return {"shopLocation": "456 Oakwood Avenue, Rivermist, 83214"}
