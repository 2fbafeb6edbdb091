"""What the prediction command prints and writes when there are videos: one line or row a person.

Photos may be among them: the same files then have their faces, too.
"""

from imdb_wiki.files import Kind
from imdb_wiki.prediction.output import (
    FACE_FIELDS,
    NO_FACE,
    CsvWriter,
    JsonWriter,
    TableWriter,
    face_fields,
)
from imdb_wiki.prediction.stream import PhotoResult
from imdb_wiki.prediction.tracks import TrackAnswer
from imdb_wiki.prediction.video import VideoResult

# What is said of a track besides the face: its box, in pixels, and score are of the best frame.
TRACK_FIELDS = ("track", "first_second", "last_second", "frames", "best_second")
VIDEO_COLUMNS = ("source", *TRACK_FIELDS, *FACE_FIELDS, "error")  # of the CSV


def track_fields(answer: TrackAnswer) -> dict:
    """A track as plain numbers and words, by `TRACK_FIELDS` and `FACE_FIELDS`."""
    fields = {}
    for name in TRACK_FIELDS:
        value = getattr(answer, name)
        fields[name] = round(value, 3) if isinstance(value, float) else value
    return fields | face_fields(answer.face)


class VideoTableWriter(TableWriter):
    """Prints one line a person of a video, one a face of a photo, and why there are none."""

    video_header_wanted = True

    def add(self, result: PhotoResult | VideoResult) -> None:
        """Prints a photo's or a video's lines."""
        if isinstance(result, PhotoResult):
            super().add(result)
            self.video_header_wanted = True
            return
        if self.video_header_wanted:
            self.header("video", ["person", "from s", "to s", "frames"])
            self.video_header_wanted, self.header_wanted = False, True
        for answer in result.tracks:
            seconds = [f"{second:.1f}" for second in (answer.first_second, answer.last_second)]
            self.line(result.name, [str(answer.track), *seconds, str(answer.frames)], answer.face)
        if result.error or not result.tracks:
            self.remark(result.name, result.error or NO_FACE)


class VideoJsonWriter(JsonWriter):
    """Writes a list of photos and videos, each with its faces or why it has none."""

    def add(self, result: PhotoResult | VideoResult) -> None:
        """Writes a photo, or a video, of which each face is a person, at once."""
        if isinstance(result, PhotoResult):
            super().add(result)
            return
        self.write(
            {
                "photo": None,
                "video": result.name,
                "width": result.width,
                "height": result.height,
                "seconds": round(result.seconds, 3),
                "frames": result.frames,
                "faces": [track_fields(answer) for answer in result.tracks],
                "error": result.error or None,
            }
        )


class VideoCsvWriter(CsvWriter):
    """Writes a row a person of a video, and a row a face of a photo.

    A row with `error` says why there is none, or why a video ended early.
    """

    columns = VIDEO_COLUMNS
    kind = Kind("table of persons in videos", (",".join(VIDEO_COLUMNS).encode() + b"\n",))

    def add(self, result: PhotoResult | VideoResult) -> None:
        """Writes a photo's or a video's rows at once."""
        if isinstance(result, PhotoResult):
            super().add(result)
            return
        name = {"source": result.name}
        rows = [name | track_fields(answer) for answer in result.tracks]
        if result.error or not rows:
            rows.append(name | {"error": result.error or NO_FACE})
        self.write(rows)
