"""Numbers in words, with the true alignment of every digit.

One task runs through the course: a number is read out in words and the model
writes its digits. Every pair is right by construction, nothing is downloaded,
and length is a dial. `numbers_in_words` and `telephone_numbers` make tasks;
`spell` and `spell_digits` spell one number.

What is read where there is nothing to translate stands in `english_text`, real
English that every Python carries, and in `windows`.
"""

from attnbook.data.batch import Batch, Example
from attnbook.data.languages import LANGUAGES
from attnbook.data.spelling import LEVELS, Spelling, spell, spell_digits
from attnbook.data.tasks import Task, numbers_in_words, telephone_numbers
from attnbook.data.vocabulary import BOS, EOS, PAD, Vocabulary

__all__ = [
    "BOS",
    "EOS",
    "LANGUAGES",
    "LEVELS",
    "PAD",
    "Batch",
    "Example",
    "Spelling",
    "Task",
    "Vocabulary",
    "numbers_in_words",
    "spell",
    "spell_digits",
    "telephone_numbers",
]
