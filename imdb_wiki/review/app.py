"""What the page is told and tells: the faces, their images, the decisions.

A face is called by its row in the table of suspects, never by a path; the page names the table that
it means, so that a tab of another audit decides nothing here.
"""

from pathlib import Path

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from imdb_wiki.audit.decisions import DECISIONS, Decision, Decisions
from imdb_wiki.audit.suspects import Suspects
from imdb_wiki.files import parse_json
from imdb_wiki.page.senders import RefusedError
from imdb_wiki.review.crops import Crops
from imdb_wiki.review.words import face_words

FILES = {  # by path, beside this module
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/grid.js": ("grid.js", "text/javascript"),
    "/saving.js": ("saving.js", "text/javascript"),
}
MOST_FACES = 300  # that are told, or decided, at once
QUESTION_BYTES = 2**16
UNDONE = 500  # decisions that a new tab can take back one by one
CHANGED = "suspects.csv is another one than when this tab was opened. Reload the page."


class Review:
    """Suspects, their crops and decisions, as the page asks for them."""

    def __init__(self, suspects: Suspects, crops: Crops, decisions: Decisions):
        """Puts them together."""
        self.suspects, self.crops, self.decisions = suspects, crops, decisions
        shares = suspects.probabilities
        self._probabilities = [None if np.isnan(share) else float(share) for share in shares]

    def files(self, request: Request) -> Response:
        """The page itself."""
        name, kind = FILES[request.url.path]
        return Response((Path(__file__).parent / name).read_bytes(), media_type=kind)

    def start(self, request: Request) -> Response:
        """All that a new tab needs to know of all faces."""
        self.decisions.refresh()
        position = self._position()  # what is added meanwhile is told again
        codes = [0] * len(self.suspects)
        latest = []
        for key, one in list(self.decisions.standing.items()):
            row = self.suspects.row_of.get(key)
            if row is not None:
                codes[row] = DECISIONS.index(one.decision)
                latest.append(row)
        return JSONResponse(
            {
                "table": self.suspects.mark,
                "probabilities": self._probabilities,
                "decisions": "".join(map(str, codes)),
                "latest": latest[-UNDONE:],
                **position,
            }
        )

    def faces(self, request: Request) -> Response:
        """What is known of some faces, in words."""
        self._check_table(request.query_params.get("table"))
        rows = self._rows(request.query_params.get("rows", "").split(","))
        told = [{"row": row, **face_words(self.suspects.face(row))} for row in rows]
        return JSONResponse(told)

    def image(self, request: Request) -> Response:
        """A face's image."""
        self._check_table(request.query_params.get("table"))
        (row,) = self._rows([request.path_params["row"]])
        found = self.crops.read(*self.suspects.keys[row])
        if found is None:
            raise RefusedError(404, "This image is missing.")
        data, kind = found
        return Response(data, media_type=kind)

    def changes(self, request: Request) -> Response:
        """What was decided since, in another tab or by another process."""
        self._check_table(request.query_params.get("table"))
        since = _since(request.query_params)
        self.decisions.refresh()
        return self._changes(*since)

    async def decide(self, request: Request) -> Response:
        """Writes decisions down; the answer comes when they are on the disk."""
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            raise RefusedError(415, "Decisions are sent as JSON.")
        data = b""
        async for chunk in request.stream():
            data += chunk
            if len(data) > QUESTION_BYTES:
                raise RefusedError(413, "These are too many decisions at once.")
        try:
            told = parse_json(data)
            pairs = [(row, decision) for row, decision in told["decisions"]]
        except (ValueError, LookupError, TypeError):
            raise RefusedError(400, "These are no decisions.") from None
        self._check_table(told.get("table"))
        rows = self._rows([row for row, _ in pairs])
        if not all(isinstance(name, str) and name in DECISIONS for _, name in pairs):
            raise RefusedError(400, "These are no decisions.")
        since = _since(told)
        made = [
            Decision(self.suspects.keys[row], self.suspects.face(row)["source"], name)
            for row, (_, name) in zip(rows, pairs, strict=True)
        ]
        await run_in_threadpool(self.decisions.add, made)
        return self._changes(*since)

    def _changes(self, since: int, generation: int) -> Response:
        """The decisions since a moment; or, if they are of another file now, to start again."""
        position = self._position()
        if generation != position["generation"] or not 0 <= since <= position["since"]:
            return JSONResponse({"start_again": True})
        rows = self.suspects.row_of
        changed = {
            rows[one.key]: DECISIONS.index(one.decision)
            for one in self.decisions.history[since : position["since"]]
            if one.key in rows
        }
        return JSONResponse({"changes": list(changed.items()), **position})

    def _position(self) -> dict[str, int]:
        return {
            "since": len(self.decisions.history),
            "generation": self.decisions.generation,
        }

    def _check_table(self, mark: object) -> None:
        if mark != self.suspects.mark:
            raise RefusedError(409, CHANGED)

    def _rows(self, texts: list) -> list[int]:
        try:
            rows = [int(text) for text in texts]
        except (ValueError, TypeError):
            rows = [-1]
        if len(rows) > MOST_FACES or not all(0 <= row < len(self.suspects) for row in rows):
            raise RefusedError(404, "There is no such face.")
        return rows


def _since(told) -> tuple[int, int]:
    """Up to which decision a tab knows them, and of which file."""
    try:
        return int(told["since"]), int(told["generation"])
    except (ValueError, LookupError, TypeError):
        raise RefusedError(400, "It is not said since when.") from None


def build_app(review: Review) -> Router:
    """Makes the application, which stands behind a `Gate`."""
    return Router(
        routes=[
            *(Route(path, review.files) for path in FILES),
            Route("/start", review.start),
            Route("/faces", review.faces),
            Route("/image/{row}", review.image),
            Route("/changes", review.changes),
            Route("/decisions", review.decide, methods=["POST"]),
        ]
    )
