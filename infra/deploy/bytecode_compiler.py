"""The process that `bytecode` starts: compile the files that stdin lists, and print how many compiled.

It is a separate process because marshalled code records which strings the process has interned and which objects are
referenced elsewhere. A process that did other work before writes different bytes for the same source.
"""

import json
import py_compile
import sys


def compile_all(jobs: list[tuple[str, str, str]]) -> int:
    """Compile each (source, target, name in the bytecode). Return the number of files that are valid Python."""
    return sum(_compile(*job) for job in jobs)


def _compile(source: str, target: str, name: str) -> bool:
    try:
        py_compile.compile(
            source,
            cfile=target,
            dfile=name,  # Independent of this machine. Python sets the real path when it loads the module.
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH,
        )
    except py_compile.PyCompileError:
        return False  # Some packages contain templates that are not valid Python.
    return True


if __name__ == "__main__":
    print(compile_all(json.load(sys.stdin)))
