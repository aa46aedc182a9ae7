"""Whether a data set still is what its study would give."""

from __future__ import annotations

from ecgkit.dataset.read import Dataset
from ecgkit.study.folder import is_study, open_study
from ecgkit.study.session_file import read_headers


def stale(data: Dataset) -> list[str]:
    """Say in a sentence how the study that a data set lies in has changed since; nothing if it has not.

    Sessions are compared by their tags and the hashes of their sources. A data set that lies elsewhere
    is not compared.
    """
    folder = data.path.parent
    if not is_study(folder):
        return []
    now = {header.tags.key: header.sha256 for header in read_headers(open_study(folder))}
    then = {key: source.get("sha256") for key, source in [*data.sources.items(), *data.left_out.items()]}
    changed = sorted(key for key in now.keys() | then.keys() if now.get(key) != then.get(key))
    if not changed:
        return []
    named = ", ".join(changed[:3]) + (" …" if len(changed) > 3 else "")
    return [
        f"the study has changed since {data.path} was built ({len(changed)} sessions added, replaced or left "
        f"out: {named}); build it again with: ecgkit build-dataset"
    ]
