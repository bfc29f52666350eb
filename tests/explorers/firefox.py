"""A headless Firefox, driven by WebDriver BiDi, which it speaks itself.

Only what these tests need of it: open a page, evaluate, press a key, click.
https://www.w3.org/TR/webdriver-bidi/
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import websocket

NAMES = ("firefox-esr", "firefox")
KEYS = {"End": "\ue010", "Home": "\ue011"}


def find_firefox() -> str | None:
    """The browser that `FIREFOX` names, else one on the path."""
    named = os.environ.get("FIREFOX")
    if named:
        return shutil.which(named)
    return next(filter(None, map(shutil.which, NAMES)), None)


class Firefox:
    """One running browser with one window; ``errors`` of its console.

    Raises RuntimeError if it does not start, or refuses a command.
    """

    def __init__(self, path: str, profile: Path) -> None:
        self.errors: list[str] = []
        self._number = 0
        self._process = subprocess.Popen(
            [
                *(path, "--headless", "--no-remote"),
                *("--profile", str(profile)),
                *("--remote-debugging-port", "0"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "HOME": str(profile)},
        )
        said = []
        for line in self._process.stderr:
            said.append(line)
            found = re.search(r"BiDi listening on (ws://\S+)", line)
            if found:
                break
        else:
            raise RuntimeError("Firefox has not started: " + "".join(said))
        self._socket = websocket.create_connection(
            f"{found[1]}/session", timeout=60, suppress_origin=True
        )
        self._ask("session.new", capabilities={})
        self._ask("session.subscribe", events=["log.entryAdded"])
        # The tab that Firefox starts with never has the focus, and then no
        # element is told that it has it; a new tab has.
        tab = self._ask("browsingContext.create", type="tab")
        self._window = tab["context"]
        self._ask("browsingContext.activate", context=self._window)

    def close(self) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait(30)
        self._process.stderr.close()

    def open(self, address: str, width: int = 760) -> None:
        self.errors.clear()
        window = self._window
        self._ask(
            "browsingContext.setViewport",
            context=window,
            viewport={"width": width, "height": 900},
        )
        self._ask(
            "browsingContext.navigate",
            context=window,
            url=address,
            wait="complete",
        )

    def evaluate(self, expression: str) -> object:
        """What a JavaScript expression, or a promise, comes to, by JSON."""
        answer = self._ask(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})))()",
            target={"context": self._window},
            awaitPromise=True,
        )
        if answer["type"] == "exception":
            raise RuntimeError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"].get("value", "null"))

    def press(self, key: str) -> None:
        actions = [
            {"type": kind, "value": KEYS[key]} for kind in ("keyDown", "keyUp")
        ]
        self._act({"type": "key", "id": "keyboard", "actions": actions})

    def click(self, x: float, y: float) -> None:
        actions = [
            {"type": "pointerMove", "x": round(x), "y": round(y)},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        self._act({"type": "pointer", "id": "mouse", "actions": actions})

    def _act(self, source: dict) -> None:
        self._ask(
            "input.performActions", context=self._window, actions=[source]
        )

    def _ask(self, method: str, **params: object) -> dict:
        self._number += 1
        self._socket.send(
            json.dumps(
                {"id": self._number, "method": method, "params": params}
            )
        )
        while True:
            answer = json.loads(self._socket.recv())
            if answer["type"] == "event":
                entry = answer["params"]
                if entry.get("level") == "error":
                    self.errors.append(str(entry["text"]))
            elif answer["id"] == self._number:
                if answer["type"] == "error":
                    raise RuntimeError(f"{method}: {answer['message']}")
                return answer["result"]
