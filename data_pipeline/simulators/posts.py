"""The benchmark's TwitterAPI: posts, comments, reposts and who follows whom."""

from typing import Any

from data_pipeline.simulators.base import Simulator
from data_pipeline.words.json import Json, JsonObject

_DEFAULTS: JsonObject = {
    "username": "john",
    "password": "john123",
    "authenticated": False,
    "tweets": {},
    "comments": {},
    "retweets": {},
    "following_list": ["alice", "bob"],
    "tweet_counter": 0,
}

_NOT_GIVEN = object()


def _shut(doing: str) -> dict[str, str]:
    return {"error": f"User not authenticated. Please authenticate before {doing}."}


def _no_tweet(tweet_id: Any) -> dict[str, str]:
    return {"error": f"Tweet with ID {tweet_id} not found."}


class TwitterAPI(Simulator):
    """Posts are kept under integers; comments of a configuration are kept under whatever keys it has."""

    username: Any
    password: Any
    authenticated: Any
    tweets: Any
    comments: Any
    retweets: Any
    following_list: Any
    tweet_counter: Any

    def _load(self, config: JsonObject) -> None:
        self._take(config, _DEFAULTS)
        self.tweets = {int(number): tweet for number, tweet in self.tweets.items()}

    def authenticate_twitter(self, username: Any, password: Any) -> Json:
        right = username == self.username and password == self.password
        if right:
            self.authenticated = True
        return {"authentication_status": right}

    def posting_get_login_status(self) -> Json:
        return {"login_status": bool(self.authenticated)}

    def post_tweet(self, content: Any, tags: Any = _NOT_GIVEN, mentions: Any = _NOT_GIVEN) -> Json:
        if not self.authenticated:
            return _shut("posting")
        tweet = {
            "id": self.tweet_counter,
            "username": self.username,
            "content": content,
            "tags": self._shared.tags if tags is _NOT_GIVEN else tags,
            "mentions": self._shared.mentions if mentions is _NOT_GIVEN else mentions,
        }
        self.tweets[self.tweet_counter] = tweet
        self.tweet_counter += 1
        return tweet

    def retweet(self, tweet_id: Any) -> Json:
        if not self.authenticated:
            return _shut("retweeting")
        if tweet_id not in self.tweets:
            return _no_tweet(tweet_id)
        mine = self.retweets.setdefault(self.username, [])
        if tweet_id in mine:
            return {"retweet_status": "Already retweeted"}
        mine.append(tweet_id)
        return {"retweet_status": "Successfully retweeted"}

    def comment(self, tweet_id: Any, comment_content: Any) -> Json:
        if not self.authenticated:
            return _shut("commenting")
        if tweet_id not in self.tweets:
            return _no_tweet(tweet_id)
        self.comments.setdefault(tweet_id, []).append({"username": self.username, "content": comment_content})
        return {"comment_status": "Comment added successfully"}

    def mention(self, tweet_id: Any, mentioned_usernames: Any) -> Json:
        if tweet_id not in self.tweets:
            return _no_tweet(tweet_id)
        self.tweets[tweet_id]["mentions"].extend(mentioned_usernames)
        return {"mention_status": "Users mentioned successfully"}

    def follow_user(self, username_to_follow: Any) -> Json:
        if not self.authenticated:
            return _shut("following")
        new = username_to_follow not in self.following_list
        if new:
            self.following_list.append(username_to_follow)
        return {"follow_status": new}

    def list_all_following(self) -> Json:
        return {"following_list": self.following_list} if self.authenticated else _shut("listing following")

    def unfollow_user(self, username_to_unfollow: Any) -> Json:
        if not self.authenticated:
            return _shut("unfollowing")
        known = username_to_unfollow in self.following_list
        if known:
            self.following_list.remove(username_to_unfollow)
        return {"unfollow_status": known}

    def get_tweet(self, tweet_id: Any) -> Json:
        return self.tweets[tweet_id] if tweet_id in self.tweets else _no_tweet(tweet_id)

    def get_user_tweets(self, username: Any) -> Json:
        return [tweet for tweet in self.tweets.values() if tweet["username"] == username]

    def search_tweets(self, keyword: Any) -> Json:
        def holds(tweet: JsonObject) -> bool:
            wanted = keyword.lower()
            return wanted in tweet["content"].lower() or wanted in [tag.lower() for tag in tweet["tags"]]

        return [tweet for tweet in self.tweets.values() if holds(tweet)]

    def get_tweet_comments(self, tweet_id: Any) -> Json:
        return self.comments.get(tweet_id, []) if tweet_id in self.tweets else _no_tweet(tweet_id)

    def get_user_stats(self, username: Any) -> Json:
        return {
            "tweet_count": sum(tweet["username"] == username for tweet in self.tweets.values()),
            "following_count": len(self.following_list) if username == self.username else 0,
            "retweet_count": len(self.retweets.get(username, [])),
        }
