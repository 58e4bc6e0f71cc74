"""A chat endpoint in the manner of OpenAI's, asked with nothing but the standard library."""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from kizu.core.errors import KizuError

KEY = "KIZU_API_KEY"  # the environment variable that holds the key, where the endpoint wants one
_AGAIN = {408, 409, 425, 429}  # what may pass; so may 500 and above


@dataclass(frozen=True)
class Chat:
    """Where to ask, and how.

    Attributes:
        url: of the API, as "http://localhost:8000/v1"; "/chat/completions" is put behind it.
        model: its name there.
        temperature: of the answers.
        timeout: seconds to wait for one.
        retries: how often a question is asked again when the endpoint does not answer or answers nonsense.
        pause: seconds before the first of these, twice as many before each further one.
    """

    url: str
    model: str
    temperature: float = 0.7
    timeout: float = 60.0
    retries: int = 3
    pause: float = 1.0

    def lines(self, order: str, lines: list[str]) -> list[str] | None:
        """Ask for one line an input line, as a JSON list of texts; None where no such list came back.

        Raises:
            KizuError: the endpoint cannot be reached, is too slow, or refuses.
        """
        for attempt in range(self.retries + 1):
            self._wait(attempt)
            answer = _listed(self._ask(order, json.dumps(lines, ensure_ascii=False)))
            if answer is not None and len(answer) == len(lines):
                return answer
        return None

    def _wait(self, attempt: int) -> None:
        if attempt and self.pause:
            time.sleep(self.pause * 2 ** (attempt - 1))

    def _ask(self, order: str, text: str) -> str:
        """The text of one answer, "" where it holds none."""
        messages = [{"role": "system", "content": order}, {"role": "user", "content": text}]
        body = {"model": self.model, "temperature": self.temperature, "messages": messages}
        headers = {"Content-Type": "application/json"}
        if os.environ.get(KEY):
            headers["Authorization"] = f"Bearer {os.environ[KEY]}"
        place = self.url.rstrip("/") + "/chat/completions"
        if not place.startswith(("http://", "https://")):
            raise KizuError(f"{self.url}: the address of a chat endpoint begins with http:// or https://; correct it")
        request = urllib.request.Request(place, json.dumps(body).encode(), headers)
        for attempt in range(self.retries + 1):
            self._wait(attempt)
            try:
                with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                    return _content(answer.read())
            except urllib.error.HTTPError as error:
                problem = f"answered {error.code} ({error.reason})"
                remedy = f"check the model {self.model!r}, the address and the key in {KEY}"
                if error.code not in _AGAIN and error.code < 500:
                    break
            except TimeoutError:
                problem, remedy = f"did not answer within {self.timeout:g} s", "raise the timeout, or try it later"
            except (OSError, http.client.HTTPException, ValueError) as error:
                late = isinstance(getattr(error, "reason", None), TimeoutError)
                problem = "did not answer in time" if late else f"cannot be reached ({error})"
                remedy = "start it, or correct the address"
        raise KizuError(f"{place}: {problem}; {remedy}")


def _content(data: bytes) -> str:
    """The text of a completion, "" for anything else."""
    try:
        text = json.loads(data)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return ""
    return text if isinstance(text, str) else ""


def _listed(text: str) -> list[str] | None:
    """The JSON list of texts in an answer, whatever stands around it."""
    try:
        values = json.loads(text[text.index("[") : text.rindex("]") + 1])
    except (ValueError, RecursionError):
        return None
    usable = isinstance(values, list) and all(isinstance(value, str) for value in values)
    return [" ".join(value.split()) for value in values] if usable else None
