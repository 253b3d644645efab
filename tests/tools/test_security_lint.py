"""The security lint finds what it must and leaves the rest alone."""

from __future__ import annotations

import pytest

from tools import security_lint

FOUND = [
    "import pickle",
    "import pickle as p",
    "from pickle import loads",
    "def f():\n    import marshal",
    "import shelve, os",
    "import yaml",
    "import cloudpickle.sub",
    "import importlib\nimportlib.import_module('pickle')",
    "eval('1')",
    "exec(text)",
    "compile('1', 'f', 'eval')",
    "import builtins\nbuiltins.exec('1')",
    "__import__(name)",
    "run = eval",
    "import os\nos.system('ls')",
    "import os as o\no.popen('ls')",
    "from os import system\nsystem('ls')",
    "from os import system as s\nhandlers = [s]",
    "import subprocess\nsubprocess.run('ls', shell=True)",
    "import subprocess\nsubprocess.Popen('ls', shell=flag)",
    "import subprocess\nsubprocess.getoutput('ls')",
    "import numpy as np\nnp.load('f')",
    "import numpy\nnumpy.fromfile('f')",
    "anything(file, allow_pickle=True)",
    "anything(file, allow_pickle=choice)",
    "archive.extractall()",
    "import zipfile\nzipfile.ZipFile('f').extractall('d')",
    "import onnx\nonnx.load('f')",
    "import tempfile\ntempfile.mktemp()",
]

LEFT_ALONE = [
    "import json\njson.loads('1')",
    "import re\nre.compile('a')",
    "from xir.api import compile\ncompile(graph)",
    "def compile(graph):\n    return graph\ncompile(1)",
    "graph.eval()",
    "self.exec(1)",
    "anything(file, allow_pickle=False)",
    "import subprocess\nsubprocess.run(['ls'], shell=False)",
    "import numpy as np\nnp.frombuffer(b'', dtype='u1')",
    "archive.extractfile('member')",
    "from . import pickle_reader",
    "text = 'import pickle; eval(1)'",
    "# pickle.load",
]


@pytest.mark.parametrize("text", FOUND)
def test_found(text):
    (message, *_) = security_lint.findings(text, "f.py")
    assert message.startswith(f"f.py:{len(text.splitlines())}: ")


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_left_alone(text):
    assert security_lint.findings(text, "f.py") == []


def test_main_walks_folders(tmp_path, capsys):
    assert security_lint.main([str(tmp_path)]) == 2
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "good.py").write_text("import json\n")
    assert security_lint.main([str(tmp_path)]) == 0
    (tmp_path / "deep" / "bad.py").write_text("import pickle\n")
    assert security_lint.main([str(tmp_path)]) == 1
    assert "deep/bad.py:1: import of pickle" in capsys.readouterr().err
