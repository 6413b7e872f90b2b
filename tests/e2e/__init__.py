"""The whole product with real parts."""

import pytest

pytest.register_assert_rewrite("tests.e2e.support")
