"""Archives for tests, of every kind that is read."""

import io
import tarfile
import warnings
import zipfile

import pandas as pd

from imdb_wiki.images.reading import read_bytes


def write_tar(path, members, mode="w", **options):
    """An archive of (name, content) members; a content that is no bytes is a type and a target."""
    with tarfile.open(path, mode, **options) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                member.type, member.linkname = content
                archive.addfile(member)
    return path


def write_zip(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of two members with one name
        for name, content in members:
            archive.writestr(name, content)
    return path


def write_archive(path, members):
    """An archive of the kind that its name says."""
    if path.suffix == ".zip":
        return write_zip(path, members)
    return write_tar(path, members, "w:" if path.suffix == ".tar" else f"w:{path.suffix[1:]}")


KINDS = ["a.tar", "a.gz", "a.bz2", "a.xz", "a.zip"]


def contents(photos, *names):
    """The bytes of photos; None where there is none."""
    table = pd.DataFrame({"source": names, "crop_name": names})
    jobs = {job.row: job.photo for job in photos.jobs(table)}
    return [jobs[row] and read_bytes(jobs[row]) for row in range(len(names))]


def tar_header(name: str, kind: bytes, size: int, **fields) -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    for field, value in fields.items():
        setattr(member, field, value)
    return member.tobuf(tarfile.GNU_FORMAT)
