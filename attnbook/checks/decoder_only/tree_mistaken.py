"""A tree of guesses, with a mistake."""

from __future__ import annotations

import torch


def ancestors(row, t):
    """The guesses on the way up from t, without t."""
    found = []
    while row[t] >= 0:
        t = row[t]
        found.append(t)
    return found


def _seen_by(row, t, mistake):
    """The guesses that guess t may see."""
    T = len(row)
    if row[t] == -2:
        seen = mistake in ("empty sees itself", "empty sees both")
        return [t] if seen else []
    above = ancestors(row, t)
    real = [s for s in range(T) if row[s] != -2]
    if mistake == "no guesses":
        return []
    if mistake == "zero for none":
        return [s for s in (t, *above) if s]
    if mistake == "zero no parent":
        return [t, *filter(None, above)]
    if mistake == "same depth":
        deep = len(above)
        return [
            s for s in real if s in above or len(ancestors(row, s)) == deep
        ]
    if mistake == "parent alone, depth":
        return [t, *above[:1]]
    if mistake == "three generations, depth":
        return [t, *above[:2]]
    if mistake == "uncles":
        beside = {row[s] for s in (t, *above)}
        return [s for s in real if row[s] in beside]
    if mistake == "itself hidden":
        return above
    if mistake == "parent alone":
        return [t, *above[:1]]
    if mistake in ("itself alone", "itself alone, depth 0"):
        return [t]
    if mistake == "three generations":
        return [t, *above[:2]]
    if mistake == "triangle":
        return [s for s in real if s <= t]
    if mistake == "triangle from the last first guess":
        return list(range(max(s for s in real[: t + 1] if row[s] < 0), t + 1))
    if mistake == "triangle of all":
        return list(range(t + 1))
    if mistake == "everything":
        return real
    if mistake == "descendants":
        return [s for s in real if s == t or t in ancestors(row, s)]
    if mistake == "family":
        return [
            s for s in real if s == t or s in above or t in ancestors(row, s)
        ]
    if mistake == "children":
        return [s for s in real if s == t or row[s] == t]
    if mistake == "siblings":
        return [s for s in real if s == t or s in above or row[s] == row[t]]
    if mistake == "earlier siblings":
        return [
            s for s in real if s in (t, *above) or (row[s] == row[t] and s < t)
        ]
    if mistake == "by depth":
        deep = len(above)
        return [s for s in real if s == t or len(ancestors(row, s)) < deep]
    if mistake == "root of all":
        return sorted({0, t, *above})
    if mistake == "root left out":
        return [t, *above[:-1]] if above else [t]
    if mistake.startswith("minus one as an index"):
        return [t, *above, T - 1]
    return [t, *above]


def _position_of(row, t, length, S, lengths, mistake):
    depth = len(ancestors(row, t))
    if mistake in ("by index", "by index, empty too"):
        return length + t
    if mistake == "by index, but for first guesses":
        return length + (t if row[t] >= 0 else 0)
    if mistake == "by index from the last first guess":
        return length + t - max(s for s in range(t + 1) if row[s] < 0)
    if mistake == "minus one as an index, counted":
        return length + len({*_seen_by(row, t, mistake)}) - 1
    if mistake == "depth from 1":
        return length + depth + 1
    if mistake == "one too near":
        return length + depth - 1
    if mistake == "depth alone":
        return depth
    if mistake == "after the buffer":
        return S + depth
    if mistake == "longest row":
        return int(lengths.max()) + depth
    if mistake == "parent alone, depth":
        return length + min(depth, 1)
    if mistake == "three generations, depth":
        return length + min(depth, 2)
    if mistake in ("zero for none", "zero no parent"):
        return length + len(_seen_by(row, t, mistake)) - 1
    if mistake in ("length alone", "itself alone, depth 0"):
        return length
    if mistake == "parent and one":
        return length + row[t] + 1
    if mistake in ("first length", "first length, positions"):
        return int(lengths[0]) + depth
    return length + depth


def _with_parents_as_indices(parents, lengths, S, mistake):
    """-1 and -2 count from the end."""
    B, T = parents.shape
    depth = torch.full((B, T), 0 if mistake == "indices" else -1)
    seen = torch.eye(T).bool().repeat(B, 1, 1)
    for b, row in enumerate(parents.tolist()):
        for t, parent in enumerate(row):
            if parent == -2 and mistake != "indices, empty too":
                seen[b, t] = False
                continue
            seen[b, t] |= seen[b, parent]
            depth[b, t] = depth[b, parent] + 1
    real = parents > (-3 if mistake == "indices, empty too" else -2)
    text = (torch.arange(S) < lengths[:, None])[:, None] & real[..., None]
    return (lengths[:, None] + depth) * real, torch.cat([text, seen], -1)


def _naive(parents, lengths, S, mistake):
    """Nothing is asked of a parent before it is used as an index."""
    B, T = parents.shape
    rows, depth = torch.arange(B), torch.zeros(B, T).long()
    seen = torch.eye(T).bool().repeat(B, 1, 1)
    for t, parent in enumerate(parents.T):
        if mistake == "naive":
            seen[:, t] |= seen[rows, parent]
        else:
            seen[rows, t, parent] = True
        depth[:, t] = depth[rows, parent] + 1
    text = (torch.arange(S) < lengths[:, None])[:, None].expand(B, T, S)
    return lengths[:, None] + depth, torch.cat([text, seen], -1)


def _first_alone(parents, lengths, S, own_rows):
    """Later guesses with a parent of -1 are taken for none.

    What follows them sees them all the same where only their own rows of
    the mask are emptied.
    """
    B, T = parents.shape
    positions = torch.zeros(B, T).long()
    mask = torch.zeros(B, T, S + T).bool()
    for b, row in enumerate(parents.tolist()):
        for t, parent in enumerate(row):
            if parent == -2 or (parent == -1 and t and not own_rows):
                continue
            if parent == -1:
                positions[b, t] = lengths[b]
                mask[b, t, : lengths[b]] = True
            else:
                positions[b, t] = positions[b, parent] + 1
                mask[b, t] = mask[b, parent]
            mask[b, t, S + t] = True
    if own_rows:
        real = (parents >= 0) | (torch.arange(T) == 0)
        positions, mask = positions * real, mask & real[..., None]
    return positions, mask


def mistaken(parents, counts, lengths, S, mistake):
    """Positions and mask, with a mistake. A place without a guess is -2."""
    places, as_given = torch.arange(parents.shape[1]), parents
    if mistake == "first count":
        counts = counts[:1].expand_as(counts)
    elif mistake == "one guess too few":
        counts = counts - 1
    parents = torch.where(places < counts[:, None], parents, -2)
    mistake, _, more = mistake.partition("; ")
    if more:  # what learners write before they think of empty places
        parents = parents.clamp(min=-1)
    if mistake in ("naive", "naive, no path"):
        return _naive(as_given, lengths, S, mistake)
    if mistake.startswith("indices"):
        return _with_parents_as_indices(parents, lengths, S, mistake)
    if mistake.startswith("first alone"):
        own_rows = mistake == "first alone, own rows"
        return _first_alone(parents, lengths, S, own_rows)
    B, T = parents.shape
    if mistake == "one tree":
        parents = parents[:1].expand(B, T)
    elif mistake == "empty as first":
        parents = parents.clamp(min=-1)
    positions = torch.zeros(B, T, dtype=torch.long)
    kept = torch.zeros(B, T, S, dtype=torch.bool)
    seen = torch.zeros(B, T, T, dtype=torch.bool)
    for b, row in enumerate(parents.tolist()):
        length = int(lengths[b])
        for t in range(T):
            for s in _seen_by(row, t, mistake):
                seen[b, t, s] = True
            if row[t] == -2 and mistake == "empty at -1":
                positions[b, t] = -1
            if row[t] == -2 and mistake == "empty placed":
                positions[b, t] = length
            if row[t] == -2 and mistake == "by index, empty too":
                positions[b, t] = length + t
            empty = row[t] == -2
            text = mistake in ("empty sees the text", "empty sees both")
            if empty and not text:
                continue
            limit = {
                "all of the buffer": S,
                "the longest text": int(lengths.max()),
                "one key too few": length - 1,
                "one key too many": length + 1,
                "no text": 0,
                "first length": int(lengths[0]),
                "first length, mask": int(lengths[0]),
            }.get(mistake, length)
            kept[b, t, :limit] = True
            if mistake == "text grows":
                kept[b, t, : length + t] = True
            if mistake == "text inverted":
                kept[b, t] = torch.arange(S) >= length
            elif mistake == "text at the right end":
                kept[b, t] = torch.arange(S) >= S - length
            if mistake == "text for the first alone" and row[t] >= 0:
                kept[b, t] = False
            if mistake == "text by position":
                kept[b, t] = torch.arange(S) < length - 1 + len(
                    ancestors(row, t)
                )
            if not empty:
                positions[b, t] = _position_of(
                    row, t, length, S, lengths, mistake
                )
    if mistake in ("mask of row 0", "positions of row 0"):
        whole = torch.cat([kept, seen], -1)
        if mistake == "positions of row 0":
            return positions[:1].expand(B, T), whole
        return positions, whole[:1].expand(B, T, S + T)
    if mistake == "guesses first":
        return positions, torch.cat([seen, kept], -1)
    if mistake == "mask alone":
        return torch.cat([kept, seen], -1)
    if mistake == "first columns":
        mask = torch.cat([kept, torch.zeros_like(seen)], -1)
        mask[..., :T] |= seen
        return positions, mask
    if mistake == "first row alone":
        positions[1:], kept[1:], seen[1:] = 0, False, False
    elif mistake == "last guess left out":
        positions[:, -1], kept[:, -1], seen[:, -1] = 0, False, False
    elif mistake == "first guess left out":
        positions[:, 0], kept[:, 0], seen[:, 0] = 0, False, False
    if mistake == "guesses alone":
        return positions, seen
    if mistake == "behind the text":
        mask = torch.cat([kept, torch.zeros_like(seen)], -1)
        for b, length in enumerate(lengths.tolist()):
            mask[b, :, length : length + T] |= seen[b]
        return positions, mask
    mask = torch.cat([kept, seen], -1)
    if mistake == "inverted":
        return positions, ~mask
    if mistake == "exchanged":
        return mask, positions
    if mistake.startswith("numbers"):
        low = -1e9 if mistake == "numbers, finite" else -torch.inf
        return positions, torch.zeros(mask.shape).masked_fill(~mask, low)
    if mistake == "zeros and ones":
        return positions, mask.long()
    if mistake == "transposed":
        return positions, torch.cat([kept, seen.mT], -1)
    if mistake == "one more axis":
        return positions, mask[:, None]
    return positions, mask
