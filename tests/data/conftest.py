"""All numbers of a language, spelled once for all tests of a file."""

import hypothesis
import pytest

from attnbook import data

# A slow machine is no failure.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="module", params=data.LANGUAGES)
def language(request):
    """Each language in turn."""
    return request.param


@pytest.fixture(scope="module")
def spellings(language):
    """The spelling of every number from 0 to 9,999, in order."""
    return [data.spell(number, language) for number in range(10_000)]
