"""The benchmark's TradingBot: stocks, orders, an account and its transactions."""

import random
from datetime import datetime, timedelta
from typing import Any

from data_pipeline.simulators.base import Simulator
from data_pipeline.words.json import Json, JsonObject

_NOW = datetime(2024, 9, 1, 10, 30)
_FORM = "%Y-%m-%d %H:%M:%S"
_NAMES = {
    "Apple": "AAPL",
    "Google": "GOOG",
    "Tesla": "TSLA",
    "Microsoft": "MSFT",
    "Nvidia": "NVDA",
    "Zeta Corp": "ZETA",
    "Alpha Tech": "ALPH",
    "Omega Industries": "OMEG",
    "Quasar Ltd.": "QUAS",
    "Neptune Systems": "NEPT",
    "Synex Solutions": "SYNX",
    "Amazon": "AMZN",
    "Gorilla": "GORI",
}
# symbol -> price, change in percent, volume, averages of 5 and 20 days
_STOCKS = {
    "AAPL": (227.16, 0.17, 2.552, 227.11, 227.09),
    "GOOG": (2840.34, 0.24, 1.123, 2835.67, 2842.15),
    "TSLA": (667.92, -0.12, 1.654, 671.15, 668.2),
    "MSFT": (310.23, 0.09, 3.234, 309.88, 310.11),
    "NVDA": (220.34, 0.34, 1.234, 220.45, 220.67),
    "ALPH": (1320.45, -0.08, 1.567, 1321.12, 1325.78),
    "OMEG": (457.23, 0.12, 2.345, 456.78, 458.12),
    "QUAS": (725.89, -0.03, 1.789, 726.45, 728.0),
    "NEPT": (88.34, 0.19, 0.654, 88.21, 88.67),
    "SYNX": (345.67, 0.11, 2.112, 345.34, 346.12),
    "ZETA": (22.09, -0.05, 0.789, 22.12, 22.34),
}
_QUOTE = ("price", "percent_change", "volume", "MA(5)", "MA(20)")
_ORDER = ("id", "order_type", "symbol", "price", "amount", "status")
_DEFAULTS: JsonObject = {
    "orders": {
        12345: dict(zip(_ORDER, (12345, "Buy", "AAPL", 210.65, 10, "Completed"), strict=True)),
        12446: dict(zip(_ORDER, (12446, "Sell", "GOOG", 2840.56, 5, "Pending"), strict=True)),
    },
    "account_info": {"account_id": 12345, "balance": 10000.0, "binding_card": 1974202140965533},
    "authenticated": False,
    "market_status": "Closed",
    "order_counter": 12446,
    "stocks": {symbol: dict(zip(_QUOTE, quote, strict=True)) for symbol, quote in _STOCKS.items()},
    "watch_list": ["NVDA"],
    "transaction_history": [],
}
_SEED = 1053520
_SECTORS = {"Technology": ["AAPL", "GOOG", "MSFT", "NVDA"], "Automobile": ["TSLA", "F", "GM"]}


def _shut(doing: str) -> dict[str, str]:
    return {"error": f"User not authenticated. Please log in to {doing}."}


class TradingBot(Simulator):
    """Transactions get a time that is drawn within a day after a fixed moment."""

    orders: Any
    account_info: Any
    authenticated: Any
    market_status: Any
    order_counter: Any
    stocks: Any
    watch_list: Any
    transaction_history: Any

    def _load(self, config: JsonObject) -> None:
        self._take(config, _DEFAULTS)
        self.orders = {
            int(number) if isinstance(number, str) and number.isdigit() else number: order
            for number, order in self.orders.items()
        }
        self.long_context = self._long
        self._random = random.Random(config.get("random_seed", _SEED))

    def _drawn_time(self) -> str:
        return (_NOW + timedelta(seconds=self._random.randint(0, 24 * 60 * 60))).strftime(_FORM)

    def get_current_time(self) -> Json:
        return {"current_time": _NOW.strftime("%I:%M %p")}

    def get_symbol_by_name(self, name: Any) -> Json:
        return {"symbol": _NAMES.get(name, "Stock not found")}

    def get_stock_info(self, symbol: Any) -> Json:
        if symbol not in self.stocks:
            return {"error": f"Stock with symbol '{symbol}' not found."}
        stock = self.stocks[symbol]
        if self._filler is None:
            return stock
        return {**stock, "MA(5)": self._filler.moving_average_5, "MA(20)": self._filler.moving_average_20}

    def get_order_details(self, order_id: Any) -> Json:
        if order_id not in self.orders:
            known = str(list(self.orders.keys()))
            return {"error": f"Order with ID {order_id} not found.Here is the list of orders_id: {known}"}
        order = self.orders[order_id]
        if self._filler is None:
            return order
        texts = {name: text.replace("{symbol}", order["symbol"]) for name, text in self._filler.order_details.items()}
        return {**order, "metadata": texts}

    def cancel_order(self, order_id: Any) -> Json:
        if order_id not in self.orders:
            return {"error": f"Order with ID {order_id} not found."}
        if self.orders[order_id]["status"] == "Completed":
            return {"error": f"Can't cancel order {order_id}. Order is already completed."}
        self.orders[order_id]["status"] = "Cancelled"
        return {"order_id": order_id, "status": "Cancelled"}

    def place_order(self, order_type: Any, symbol: Any, price: Any, amount: Any) -> Json:
        if not self.authenticated:
            return _shut("place an order")
        if symbol not in self.stocks:
            return {"error": f"Invalid stock symbol: {symbol}"}
        if price <= 0 or amount <= 0:
            return {"error": "Price and amount must be positive values."}
        if order_type.lower() == "buy":
            cost, money = float(price) * int(amount), self.account_info.get("balance", 0)
            if cost > money:
                return {"error": f"Insufficient funds: required ${cost:.2f} but only ${money:.2f} available."}
        number, price = self.order_counter, float(price)
        self.orders[number] = dict(zip(_ORDER, (number, order_type, symbol, price, amount, "Open"), strict=True))
        self.order_counter += 1
        # told as pending, kept as open
        return {"order_id": number, "order_type": order_type, "status": "Pending", "price": price, "amount": amount}

    def withdraw_funds(self, amount: Any) -> Json:
        if not self.authenticated:
            return _shut("make a transaction")
        if self.market_status != "Open":
            return {"error": "Market is closed. Transactions are not allowed."}
        if amount <= 0:
            return {"error": "Transaction amount must be positive."}
        if amount > self.account_info["balance"]:
            return {"error": "Insufficient funds for withdrawal."}
        self.account_info["balance"] -= amount
        return self._told("withdrawal", amount, "Withdrawal successful")

    def fund_account(self, amount: Any) -> Json:
        if not self.authenticated:
            return _shut("fund the account")
        if amount <= 0:
            return {"error": "Funding amount must be positive."}
        self.account_info["balance"] += amount
        return self._told("deposit", amount, "Account funded successfully")

    def _told(self, kind: str, amount: Any, status: str) -> JsonObject:
        self.transaction_history.append({"type": kind, "amount": amount, "timestamp": self._drawn_time()})
        return {"status": status, "new_balance": self.account_info["balance"]}

    def get_account_info(self) -> Json:
        return self.account_info if self.authenticated else _shut("view account information")

    def trading_login(self, username: Any, password: Any) -> Json:
        if self.authenticated:
            return {"status": "Already logged in"}
        self.authenticated = True
        return {"status": "Logged in successfully"}

    def trading_get_login_status(self) -> Json:
        return {"status": bool(self.authenticated)}

    def trading_logout(self) -> Json:
        if not self.authenticated:
            return {"status": "No user is currently logged in"}
        self.authenticated = False
        return {"status": "Logged out successfully"}

    def remove_stock_from_watchlist(self, symbol: Any) -> Json:
        if not self.authenticated:
            return _shut("modify the watchlist")
        if symbol not in self.watch_list:
            return {"error": f"Stock {symbol} not found in watchlist."}
        self.watch_list.remove(symbol)
        return {"status": f"Stock {symbol} removed from watchlist successfully."}

    def get_watchlist(self) -> Json:
        if not self.authenticated:
            return ["Error: User not authenticated. Please log in to view the watchlist."]
        if self._filler is not None:
            return [*self.watch_list, *self._filler.watch_list]
        return {"watchlist": self.watch_list}

    def get_order_history(self) -> Json:
        return {"history": list(self.orders)} if self.authenticated else [_shut("view order history")]

    def get_transaction_history(self, start_date: Any = None, end_date: Any = None) -> Json:
        if not self.authenticated:
            return [_shut("view transaction history")]
        first = datetime.strptime(start_date, "%Y-%m-%d") if start_date else datetime.min
        last = datetime.strptime(end_date, "%Y-%m-%d") if end_date else datetime.max
        within = [
            one for one in self.transaction_history if first <= datetime.strptime(one["timestamp"], _FORM) <= last
        ]
        more = [] if self._filler is None else self._filler.transactions
        return {"transaction_history": [*within, *more]}

    def get_available_stocks(self, sector: Any) -> Json:
        found = list(_SECTORS.get(sector, []))
        if self._filler is not None:
            more = {"Technology": self._filler.technology, "Automobile": self._filler.automobile}
            found += more.get(sector, [])
        return {"stock_list": found}

    def filter_stocks_by_price(self, stocks: Any, min_price: Any, max_price: Any) -> Json:
        def price(symbol: Any) -> Any:
            return self.stocks.get(symbol, {}).get("price", 0)

        return {"filtered_stocks": [one for one in stocks if price(one) >= min_price and price(one) <= max_price]}

    def add_to_watchlist(self, stock: Any) -> Json:
        if stock not in self.watch_list and stock in self.stocks:
            self.watch_list.append(stock)
        return {"watchlist": self.watch_list}

    def notify_price_change(self, stocks: Any, threshold: Any) -> Json:
        moved = [one for one in stocks if one in self.stocks and abs(self.stocks[one]["percent_change"]) >= threshold]
        if moved:
            return {"notification": f"Stocks {', '.join(moved)} have significant price changes."}
        return {"notification": "No significant price changes in the selected stocks."}
