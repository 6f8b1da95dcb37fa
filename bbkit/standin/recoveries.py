"""What a kill may have left in the buckets, mended when a stand-in starts."""

import os
from datetime import UTC, datetime
from pathlib import Path

from nanio.etag import StreamingMd5
from nanio.storage.backend import ObjectInfo
from nanio.storage.metadata import write_metadata
from nanio.storage.paths import META_DIR_NAME, metadata_path, object_path

from bbkit.standin.listings import ObjectStorage, walk_keys


def recover(storage: ObjectStorage) -> None:
    """Mend what a kill may have left: uploads under way, and metadata that is not of the object beside it."""
    for bucket in storage.list_buckets():
        root = storage.data_dir / bucket.name
        for folder, _, names in os.walk(root):
            hidden = META_DIR_NAME in Path(folder).parts
            for name in names:
                if name.startswith(".tmp.") or (hidden and name.endswith(".json.tmp")):
                    Path(folder, name).unlink(missing_ok=True)
        for key in walk_keys(root):
            _mend_metadata(storage, bucket.name, key)


def _mend_metadata(storage: ObjectStorage, bucket: str, key: str) -> None:
    path, side = object_path(storage.data_dir, bucket, key), metadata_path(storage.data_dir, bucket, key)
    state = path.stat()
    current = side.exists() and side.stat().st_mtime_ns >= state.st_mtime_ns
    if current and storage.head_object(bucket, key).size == state.st_size:
        return
    digest = StreamingMd5()
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    changed = datetime.fromtimestamp(state.st_mtime, UTC)
    info = ObjectInfo(key=key, size=state.st_size, etag=digest.quoted_etag(), last_modified=changed)
    write_metadata(side, info)
