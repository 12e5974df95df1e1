"""Scalars as rcl reads them; `test/ros/test_parameters.py` holds the same text against rcl itself."""

from math import isnan

import pytest
import yaml
from ros_scalars import READ

from spec_control_ros.bringup.yaml_file import RosLoader


@pytest.mark.parametrize("text", READ)
def test_scalar_is_what_rcl_takes_it_for(text: str) -> None:
    value = yaml.load(text, RosLoader)
    assert (value, type(value)) == (READ[text], type(READ[text]))


@pytest.mark.parametrize("text", ["nan", ".nan", ".NaN"])
def test_what_is_not_a_number_is_told(text: str) -> None:
    assert isnan(yaml.load(text, RosLoader))


def test_keys_are_text() -> None:
    assert yaml.load("{on: 1, 2: 3}", RosLoader) == {"on": 1, "2": 3}


def test_key_that_is_there_twice_is_refused() -> None:
    with pytest.raises(yaml.YAMLError, match="'a' is there twice"):
        yaml.load("{a: 1, a: 2}", RosLoader)
