"""The long-context category's filler, read from the benchmark's own installed package: it is not part of this project."""

import importlib
from functools import cache

from data_pipeline.errors import InputError
from data_pipeline.simulators.base import Filler

_MODULE = "bfcl_eval.eval_checker.multi_turn_eval.func_source_code.long_context"


@cache
def long_context_filler() -> Filler:
    """Raises InputError where the package is not installed."""
    try:
        texts = importlib.import_module(_MODULE)
    except ImportError:
        raise InputError(
            "long-context entries need the benchmark's filler texts: pip install bfcl-eval==2026.3.23"
        ) from None
    return Filler(
        watch_list=texts.WATCH_LIST_EXTENSION,
        transactions=texts.TRANSACTION_HISTORY_EXTENSION,
        technology=texts.TECHNOLOGY_EXTENSION,
        automobile=texts.AUTOMOBILE_EXTENSION,
        order_details=texts.ORDER_DETAIL_EXTENSION,
        moving_average_5=texts.MA_5_EXTENSION,
        moving_average_20=texts.MA_20_EXTENSION,
        file_content=texts.FILE_CONTENT_EXTENSION,
        file_names=texts.POPULATE_FILE_EXTENSION,
        short_files=texts.FILES_TAIL_USED,
        car=texts.CAR_STATUS_METADATA_EXTENSION,
        weather=texts.LONG_WEATHER_EXTENSION,
        parking_brake=texts.PARKING_BRAKE_INSTRUCTION,
        cities=texts.INTERMEDIARY_CITIES,
        credit_cards=texts.CREDIT_CARD_EXTENSION,
        bookings=texts.BOOKING_RECORD_EXTENSION,
    )
