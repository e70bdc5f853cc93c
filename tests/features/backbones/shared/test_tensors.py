import pytest
import torch
from safetensors.torch import save_file

from fame.features.backbones.shared.tensors import open_weights
from fame.runtime.errors import InputError


@pytest.fixture
def write(tmp_path):
    def call(tensors, file="model.safetensors"):
        save_file(tensors, tmp_path / file)
        return sorted(tmp_path.glob("*.safetensors"))

    return call


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"not safetensors")
    with (
        pytest.raises(InputError, match=r"model.safetensors: not a readable safetensors file"),
        open_weights("name", [path], "cpu", ""),
    ):
        pass


def take_linear(paths, *prefixes, shape=(2, 2)):
    with open_weights("name", paths, "cpu", *prefixes) as weights:
        return weights.linear("one", "two", shape=shape)


def test_all_that_is_missing_is_said_at_once(write):
    paths = write({"b.one.weight": torch.ones(2, 2)})
    found = (
        r"^checkpoint name: holds 1 of the 4 weights under 'a\.' or 'b\.' that its model needs; "
        r"missing: b\.one\.bias, b\.two\.bias, b\.two\.weight; name a checkpoint"
    )
    with pytest.raises(InputError, match=found):
        take_linear(paths, "a.", "b.")
    with pytest.raises(InputError, match=r"holds 0 of the 4 .* a\.two\.bias, \.\.\.; name"):
        take_linear(paths, "a.")


def test_other_shapes_are_refused(write):
    layers = {f"{name}.weight": torch.ones(3, 2) for name in ("one", "two")}
    paths = write(layers | {f"{name}.bias": torch.ones(2) for name in ("one", "two")})
    found = (
        r"^checkpoint name: does not fit its config.json: size mismatch for one\.weight: "
        r"found \(3, 2\), expected \(2, 2\) \(and 1 more\)$"
    )
    with pytest.raises(InputError, match=found):
        take_linear(paths, "")


def test_an_error_while_reading_is_not_hidden_by_what_is_missing(write):
    def fail(paths):
        with open_weights("name", paths, "cpu", "") as weights:
            weights.take("b", 1)
            raise KeyError("another")

    with pytest.raises(KeyError, match="another"):
        fail(write({"a": torch.ones(1)}))


def test_layers_are_joined_across_files_under_a_prefix_in_full_precision(write):
    draw = torch.Generator().manual_seed(1)
    tensors = {
        f"model.{name}.{part}": torch.randn(*shape, generator=draw).half()
        for name in ("one", "two")
        for part, shape in (("weight", (2, 3)), ("bias", (2,)))
    }
    one = {name: value for name, value in tensors.items() if "one" in name}
    write(one | {"one.weight": torch.zeros(2, 3)}, "b.safetensors")
    paths = write({n: v for n, v in tensors.items() if "two" in n}, "a.safetensors")
    layer = take_linear(paths, "other.", "model.", "", shape=(2, 3))
    for part, values in (("weight", layer.weight), ("bias", layer.bias)):
        expected = torch.cat([tensors[f"model.{n}.{part}"] for n in ("one", "two")])
        assert values.dtype == torch.float32
        assert torch.equal(values, expected.float())


def test_modules_are_those_of_torch(write):
    draw = torch.Generator().manual_seed(1)
    norm, linear = torch.nn.LayerNorm(3, 0.1), torch.nn.Linear(3, 2, bias=False)
    for values in (*norm.parameters(), *linear.parameters()):
        torch.nn.init.normal_(values, generator=draw)
    both = {f"n.{name}": v for name, v in norm.state_dict().items()}
    rows = torch.randn(4, 3, generator=draw)
    with open_weights("x", write({**both, "p.weight": linear.weight.data}), "cpu", "") as weights:
        assert torch.equal(weights.norm("n", 3, 0.1)(rows), norm(rows))
        projection = weights.projection("p.weight", (2, 3))
        bare = weights.linear("p", shape=(2, 3), bias=False)
    assert torch.equal(projection(rows), linear(rows))
    torch.testing.assert_close(bare(rows), linear(rows))
