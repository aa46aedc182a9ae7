import numpy as np
import pytest

from ecgkit.errors import SignalError
from ecgkit.preprocess.polarity import upright

SIGNAL = np.array([[1.0, -2.0], [3.0, 4.0], [-5.0, 6.0]])


def test_upright_turns_the_leads_that_point_down() -> None:
    before = SIGNAL.copy()
    np.testing.assert_array_equal(upright(SIGNAL, qrs_sign=[1, -1, 0]), [[1, -2], [-3, -4], [-5, 6]])
    np.testing.assert_array_equal(SIGNAL, before)


@pytest.mark.parametrize("signs", [[1, -1], [1, 1, 2]])
def test_upright_wants_a_sign_a_lead(signs: list[int]) -> None:
    with pytest.raises(SignalError, match="expected 1, -1 or 0 for each of 3 leads"):
        upright(SIGNAL, qrs_sign=signs)
