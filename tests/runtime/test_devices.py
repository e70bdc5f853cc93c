import sys

import numpy as np
import pytest
import torch
from tests.python_process import run_python

from fame.runtime.devices import choose_device, deterministic, import_torchvision, send
from fame.runtime.errors import InputError


def test_cuda_by_name_needs_cuda(monkeypatch):
    monkeypatch.setattr("fame.runtime.devices._sees_cuda", lambda: False)
    with pytest.raises(InputError, match=r"runtime.device: found 'cuda'.*allowed on .*: auto, cpu"):
        choose_device("cuda")
    assert choose_device("auto") == choose_device("cpu") == "cpu"


def test_cuda_is_taken_where_it_is(monkeypatch):
    monkeypatch.setattr("fame.runtime.devices._sees_cuda", lambda: True)
    assert choose_device("auto") == choose_device("cuda") == "cuda"
    assert choose_device("cpu") == "cpu"


def test_torch_is_not_asked_where_there_is_no_driver_or_no_wish():
    code = (
        "import ctypes, sys\n"
        "from fame.runtime.devices import choose_device\n"
        "choose_device('cpu')\n"
        "ctypes.CDLL = lambda name: (_ for _ in ()).throw(OSError(name))\n"
        "assert choose_device('auto') == 'cpu'\n"
        "print('torch' in sys.modules)"
    )
    assert run_python(code) == "False\n"


def test_settings_and_random_state_come_back(monkeypatch):
    # Another test of this process may have switched it off.
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    # Another test of this process may have switched it on.
    before = torch.are_deterministic_algorithms_enabled()
    with deterministic(threads + 1):
        assert torch.get_num_threads() == threads + 1
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.utils.deterministic.fill_uninitialized_memory
        torch.manual_seed(1)
    assert torch.get_num_threads() == threads
    assert torch.are_deterministic_algorithms_enabled() == before
    assert torch.utils.deterministic.fill_uninitialized_memory
    assert torch.equal(torch.get_rng_state(), state)


def test_torchvision_can_be_imported_twice():
    import_torchvision()
    before = sys.modules["torchvision"]
    import_torchvision()
    assert sys.modules["torchvision"] is before


def test_arithmetic_is_deterministic_without_the_compiler():
    """Whose import takes seconds of every stage and of `fame predict`."""
    code = (
        "import sys, torch\n"
        "from fame.runtime.devices import deterministic\n"
        "with deterministic(1):\n"
        "    print(torch.are_deterministic_algorithms_enabled(), 'torch._inductor' in sys.modules)"
    )
    assert run_python(code) == "True False\n"


def test_an_array_is_sent():
    array = np.arange(3)
    sent = send(array, torch.device("cpu"))
    assert sent.tolist() == [0, 1, 2]
    assert np.shares_memory(sent.numpy(), array)
