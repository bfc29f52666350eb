"""An answer runs elsewhere where its session says so, and nowhere else."""

import contextlib
import gc

from attnbook.judging import watching
from attnbook.judging.conditions import has_loop, trial
from attnbook.judging.exercise import Case, Exercise
from attnbook.judging.sessions import runs_in, session_of


class Recording:
    """A session that notes what it is asked, and runs all of it here."""

    def __init__(self):
        self.asked = []

    @contextlib.contextmanager
    def trial(self, forbidden):
        self.asked.append(("trial", tuple(forbidden)))
        yield

    def watched(self, measure):
        self.asked.append(("watched", measure))
        return contextlib.nullcontext()

    def has_loop(self, answer):
        self.asked.append(("has_loop", answer))
        return True


def double(x):
    return 2 * x


def test_a_session_is_asked_about_its_answers_and_no_others():
    session = Recording()

    def answer(x):
        return 2 * x

    runs_in(session, answer)
    assert session_of(answer) is session
    assert session_of(double) is None
    with trial(answer, ["numpy.log"]), watching.products(answer):
        assert has_loop(answer)
    with trial(double, ["numpy.log"]), watching.peak_memory(double):
        assert not has_loop(double)
    assert session.asked == [
        ("trial", ("numpy.log",)),
        ("watched", "Products"),
        ("has_loop", answer),
    ]


def test_no_object_can_pose_as_an_answer_of_a_session():
    session = Recording()

    def there(x):
        return 2 * x

    runs_in(session, there)

    class Poses:
        """Like an answer over there in all that can be asked of it."""

        session = _session = property(lambda self: Recording())
        _there = (session, 0)
        __class__ = property(lambda self: type(there))

        def __eq__(self, other):
            return True

        def __hash__(self):
            return hash(there)

        def __getattr__(self, name):
            return getattr(there, name)

        def __call__(self, x):
            return 3 * x

    posing = Poses()
    assert posing == there
    assert session_of(posing) is None
    exercise = Exercise("00-pose", "Pose", 1, double, [Case("one", (1,))])
    assert exercise.diagnose(posing).kind == "value"
    assert session.asked == []


def test_what_is_gone_leaves_its_place_to_nobody():
    session = Recording()
    for _ in range(100):

        def answer(x):
            return x

        runs_in(session, answer)
        del answer
        gc.collect(0)
        assert session_of(lambda x: x) is None
