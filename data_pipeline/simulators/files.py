"""The benchmark's GorillaFileSystem: a tree of files and folders, and the shell commands on it.

Commands work in the current folder and take names, not paths. The current folder is private state: it is not compared.
"""

from collections.abc import Callable, Iterator
from typing import Any

from data_pipeline.simulators.base import Simulator
from data_pipeline.simulators.sizes import MAX_ITEMS, Refused
from data_pipeline.words.json import Json, JsonObject

_BAD_CHARACTERS = frozenset('|/\\?%*:"><')
_UNITS = ("B", "KB", "MB", "GB", "TB")


class File:
    """Equal when name and content are."""

    def __init__(self, name: str, content: Any = "") -> None:
        self.name = name
        self.content = content

    def __eq__(self, other: object) -> bool:
        return isinstance(other, File) and (self.name, self.content) == (other.name, other.content)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<<File: {self.name}, Content: {self.content}>>"


class Directory:
    """Equal when name and contents are, wherever it stands."""

    def __init__(self, name: str, parent: "Directory | None" = None) -> None:
        self.name = name
        self.parent = parent
        self.contents: dict[str, File | Directory] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Directory) and self.name == other.name and self.contents == other.contents

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        above = self.parent.name if self.parent else None
        return f"<Directory: {self.name}, Parent: {above}, Contents: {self.contents}>"

    def put(self, source: "File | Directory", name: str, *, copied: bool) -> None:
        """A new file or folder of this name with the source's content; a folder is copied one level deep."""
        kind = "File" if isinstance(source, File) else "Directory"
        if name in self.contents:
            raise ValueError(f"{kind} '{name}' already exists in directory '{self.name}'.")
        if isinstance(source, File):
            self.contents[name] = File(name, source.content)
            return
        made = Directory(name, self)
        self.contents[name] = made
        made.contents = source.contents.copy() if copied else source.contents


class GorillaFileSystem(Simulator):
    """Eighteen commands."""

    root: Directory

    def _load(self, config: JsonObject) -> None:
        self.long_context = self._long
        self.root = Directory("/")
        if "root" in config:
            name, tree = next(iter(config["root"].items()))
            self.root = self._filled(Directory(name), tree["contents"])
        self._here = self.root

    def _filled(self, directory: Directory, tree: JsonObject) -> Directory:
        """The folder with what the configuration says is in it; lowest folders get the filler's files in a long context."""
        lowest = True
        for name, node in tree.items():
            if node["type"] == "directory":
                lowest = False
                directory.contents[name] = self._filled(Directory(name, directory), node["contents"])
            elif node["type"] == "file":
                padded = self._filler is not None and name not in self._filler.short_files
                more = self._filler.file_content if self._filler is not None and padded else ""
                directory.contents[name] = File(name, node["content"] + more if more else node["content"])
        if lowest and self._filler is not None:
            for name in self._filler.file_names:
                directory.put(File(name), name, copied=True)
        return directory

    def _file(self, name: Any) -> File | None:
        item = self._here.contents.get(name)
        return item if isinstance(item, File) else None

    def pwd(self) -> Json:
        names: list[str] = []
        place: Directory | None = self._here
        while place is not None:
            names.append(place.name)
            place = place.parent
        return {"current_working_directory": "/" + "/".join(reversed(names))}

    def ls(self, a: Any = False) -> Json:
        return {"current_directory_content": [name for name in self._here.contents if a or not name.startswith(".")]}

    def cd(self, folder: Any) -> Json:
        folder = folder.rstrip("/") or "/"
        if folder not in (".", "..", "/") and "/" in folder:
            return {"error": f"cd: {folder}: Unsupported path. Only one folder level at a time is supported."}
        if folder == "..":
            if self._here.parent is None:
                at_root = self.root == self._here
                top = "Current directory is already the root. Cannot go back."
                return {"error": top if at_root else "cd: ..: No such directory"}
            self._here = self._here.parent
            return {}
        target = self._reached(folder)
        if target is None:
            return {"error": f"cd: '{folder}': No such file or directory"}
        self._here = target
        return {"current_working_directory": target.name}

    def _reached(self, path: str) -> Directory | None:
        """The folder at a path of several levels, or None."""
        if path == ".":
            return self._here
        if path == "/":
            return self.root
        names = path.strip("/").split("/")
        place: Any = self.root if path.startswith("/") else self._here
        for name in names:
            place = place if name == "." else place.contents.get(name)
            if not isinstance(place, Directory):
                return None
        return place

    def mkdir(self, dir_name: Any) -> Json:
        refused = self._refused("mkdir: cannot create directory", dir_name)
        if refused is None:
            self._here.put(Directory(dir_name), dir_name, copied=True)
        return refused

    def touch(self, file_name: Any) -> Json:
        refused = self._refused("touch: cannot touch", file_name)
        if refused is None:
            self._here.put(File(file_name), file_name, copied=True)
        return refused

    def _refused(self, verb: str, name: Any) -> dict[str, str] | None:
        if not _plain(name):
            return {"error": f"{verb} '{name}': Invalid character"}
        return {"error": f"{verb} '{name}': File exists"} if name in self._here.contents else None

    def echo(self, content: Any, file_name: Any = None) -> Json:
        if file_name is None:
            return {"terminal_output": content}
        if not _plain(file_name):
            return {"error": f"echo: cannot write to '{file_name}': Invalid character"}
        if not file_name:
            return {"terminal_output": content}
        if file_name not in self._here.contents:
            return {"error": f"echo: cannot write to '{file_name}': No such file"}
        item = self._here.contents[file_name]
        if isinstance(item, Directory):
            raise AttributeError("'Directory' object has no attribute '_write'")
        item.content = content
        return None

    def cat(self, file_name: Any) -> Json:
        if not _plain(file_name):
            return {"error": f"cat: '{file_name}': Invalid character"}
        item = self._here.contents.get(file_name)
        if item is None:
            return {"error": f"cat: '{file_name}': No such file or directory"}
        if isinstance(item, Directory):
            return {"error": f"cat: '{file_name}': Is a directory"}
        return {"file_content": item.content}

    def find(self, path: Any = ".", name: Any = None) -> Json:
        target = self.root if path == "/" else self._here if path is None else self._reached(path)
        if target is None:
            return {"error": f"find: '{path}': No such file or directory"}
        below = _below(target, path.rstrip("/"))
        return {"matches": [place for place, item_name, _ in below if name is None or name in item_name]}

    def wc(self, file_name: Any, mode: Any = "l") -> Json:
        kinds: dict[str, tuple[str, Callable[[str], int]]] = {
            "l": ("lines", lambda text: len(text.splitlines())),
            "w": ("words", lambda text: len(text.split())),
            "c": ("characters", len),
        }
        if mode not in list(kinds):
            return {"error": f"wc: invalid mode '{mode}'"}
        kind, count = kinds[mode]
        file = self._file(file_name)
        return _absent("wc", file_name) if file is None else {"count": count(file.content), "type": kind}

    def sort(self, file_name: Any) -> Json:
        file = self._file(file_name)
        if file is None:
            return _absent("sort", file_name)
        return {"sorted_content": "\n".join(sorted(file.content.splitlines()))}

    def grep(self, file_name: Any, pattern: Any) -> Json:
        file = self._file(file_name)
        if file is None:
            return _absent("grep", file_name)
        return {"matching_lines": [line for line in file.content.splitlines() if pattern in line]}

    def du(self, human_readable: Any = False) -> Json:
        size: float = _size(self._here)
        if not human_readable:
            return {"disk_usage": f"{size} bytes"}
        for unit in _UNITS:
            if size < 1024:
                return {"disk_usage": f"{size:.2f} {unit}"}
            size /= 1024
        return {"disk_usage": f"{size:.2f} PB"}

    def tail(self, file_name: Any, lines: Any = 10) -> Json:
        file = self._file(file_name)
        if file is None:
            return _absent("tail", file_name)
        whole = file.content.splitlines()
        if lines > len(whole):
            lines = len(whole)
        return {"last_lines": "\n".join(whole[-lines:])}

    def diff(self, file_name1: Any, file_name2: Any) -> Json:
        first = self._file(file_name1)
        second = None if first is None else self._file(file_name2)
        if first is None or second is None:
            return _absent("diff", f"{file_name1} or {file_name2}")
        pairs = zip(first.content.splitlines(), second.content.splitlines(), strict=False)
        return {"diff_lines": "\n".join(f"- {one}\n+ {other}" for one, other in pairs if one != other)}

    def mv(self, source: Any, destination: Any) -> Json:
        return self._transfer("mv", "move", "moved", source, destination)

    def cp(self, source: Any, destination: Any) -> Json:
        return self._transfer("cp", "copy", "copied", source, destination)

    def _transfer(self, command: str, verb: str, done: str, source: Any, destination: Any) -> dict[str, str]:
        """Both commands. `cp` looks for its own path among a folder's names, so a name that is there already raises."""
        if source not in self._here.contents:
            return {"error": f"{command}: cannot {verb} '{source}': No such file or directory"}
        item, copied = self._here.contents[source], command == "cp"
        if "/" in destination:
            return {"error": f"{command}: path not allowed in destination. Provide only a file or directory name."}
        target = self._here.contents.get(destination)
        if isinstance(target, File):
            return {"error": f"{command}: cannot {verb} '{source}' to '{destination}': Not a directory"}
        if target is not None and not copied and source in target.contents:
            return {"error": f"mv: cannot move '{source}' to '{destination}/{source}': File exists"}
        if not copied:
            self._here.contents.pop(source)
        if target is None:
            self._here.put(item, destination, copied=copied)
            return {"result": f"'{source}' {done} to '{destination}'"}
        target.put(item, source, copied=copied)
        return {"result": f"'{source}' {done} to '{destination}/{source}'"}

    def rm(self, file_name: Any) -> Json:
        if file_name not in self._here.contents:
            return {"error": f"rm: cannot remove '{file_name}': No such file or directory"}
        self._here.contents.pop(file_name)
        return {"result": f"'{file_name}' removed"}

    def rmdir(self, dir_name: Any) -> Json:
        item = self._here.contents.get(dir_name)
        problem = "No such file or directory" if item is None else None
        if item is not None:
            full = isinstance(item, Directory) and item.contents
            problem = "Not a directory" if isinstance(item, File) else "Directory not empty" if full else None
        if problem:
            return {"error": f"rmdir: cannot remove '{dir_name}': {problem}"}
        self._here.contents.pop(dir_name)
        return {"result": f"'{dir_name}' removed"}


def _plain(name: Any) -> bool:
    return not any(character in name for character in _BAD_CHARACTERS)


def _absent(command: str, name: Any) -> dict[str, str]:
    return {"error": f"{command}: {name}: No such file or directory"}


def _below(top: Directory, path: str) -> Iterator[tuple[str, Any, File | Directory]]:
    """Path, name and item of all that is in a folder, each folder before what is in it.

    Copies share their folders, so that a few of them hold more than anybody can list. Raises `Refused` for such.
    """

    def search(directory: Directory, above: str) -> Iterator[tuple[str, Any, File | Directory]]:
        for name, item in directory.contents.items():
            yield f"{above}/{name}", name, item
            if isinstance(item, Directory):
                yield from search(item, f"{above}/{name}")

    for number, found in enumerate(search(top, path)):
        if number >= MAX_ITEMS:
            raise Refused(f"more than {MAX_ITEMS} files and folders")
        yield found


def _size(top: Directory) -> int:
    return sum(len(item.content.encode("utf-8")) for _, _, item in _below(top, "") if isinstance(item, File))
