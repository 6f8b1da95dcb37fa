"""Images, documents, videos and audios that rows name by path."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bbkit.core.errors import InputError
from bbkit.families import Media

_MEDIA = {
    "image": "png jpg jpeg gif webp",
    "document": "pdf csv doc docx xls xlsx html txt md",
    "video": "mp4 mov mkv webm flv mpeg mpg wmv three_gp 3gp",
    "audio": "mp3 wav ogg opus aac flac m4a",
}
_KIND = {extension: kind for kind, extensions in _MEDIA.items() for extension in extensions.split()}


def read_media(cells: Iterable[Any], row: int) -> Iterator[Media]:
    """Read the media that a row names."""
    paths = [
        path
        for cell in cells if cell is not None
        for path in (cell if isinstance(cell, list | tuple) else [cell])
    ]  # fmt: skip
    for path in paths:
        uri = str(path)
        extension = uri.rpartition(".")[2].lower()
        if extension not in _KIND:
            raise InputError(
                f"Row {row:,} names {uri!r}; its extension tells neither an image, document, video nor "
                f"audio. Known ones: {', '.join(sorted(_KIND))}."
            )
        kind = _KIND[extension]
        if uri.startswith("s3://"):
            yield Media(kind, extension, s3_uri=uri, name=Path(uri).stem)  # type: ignore[arg-type]
            continue
        try:
            content = Path(uri).read_bytes()
        except OSError as error:
            raise InputError(f"Row {row:,} names {uri!r}, which cannot be read: {error.strerror}.") from error
        yield Media(kind, extension, data=content, name=Path(uri).stem)  # type: ignore[arg-type]
