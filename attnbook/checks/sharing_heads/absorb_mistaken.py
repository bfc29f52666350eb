"""Latent attention turned into multi-query attention, with a mistake."""

from __future__ import annotations

import math

import torch


def _per_head(matrix, H, mistake, which, dim=0):
    """Divide an axis by heads: (…, H, n, …)."""
    if f"{which} mixed" in mistake:
        return matrix.unflatten(dim, (-1, H)).transpose(dim, dim + 1)
    return matrix.unflatten(dim, (H, -1))


def _query_parts(query, H, d_k, d_r, mistake):
    by_head = _per_head(query, H, mistake, "query")
    if mistake == "rotary first in a head":
        turned, own = by_head.split([d_r, d_k], 1)
    elif mistake == "rotary of all heads last":
        own, turned = query.split([H * d_k, H * d_r])
        return own.unflatten(0, (H, -1)), turned.view(H, d_r, -1)
    else:
        own, turned = by_head.split([d_k, d_r], 1)
    if mistake.startswith("to -0"):
        own = by_head[:, :-d_r]
    if mistake.endswith("from -0"):
        turned = by_head[:, -d_r:]
    return own, turned


def _up_parts(up, H, d_k, mistake):
    """Keys and values of each head, of a matrix or of a bias."""
    d_v = up.shape[0] // H - d_k
    mistake = mistake.removesuffix(", bias right")
    if mistake == "halves":
        key, value = up.split([H * d_k, H * d_v])
        return key.unflatten(0, (H, -1)), value.unflatten(0, (H, -1))
    by_head = _per_head(up, H, mistake, "up")
    if mistake == "values first":
        value, key = by_head.split([d_v, d_k], 1)
    elif mistake == "key for value":
        key, value = by_head.split([d_k, d_v], 1)
        value = key
    elif mistake == "value for key":
        key, value = by_head.split([d_k, d_v], 1)
        key = value
    elif mistake == "equal halves":
        key, value = by_head.chunk(2, 1)
    else:
        key, value = by_head.split([d_k, d_v], 1)
    if mistake == "head 0":
        key, value = key[:1].expand_as(key), value[:1].expand_as(value)
    elif mistake == "mean of heads":
        key = key.mean(0, keepdim=True).expand_as(key)
        value = value.mean(0, keepdim=True).expand_as(value)
    return key, value


def _ratio(d_k, d_r, d_c, d_v, mistake):
    old, new = d_k + d_r, d_c + d_r
    return {
        "no scale": 1.0,
        "upside down": math.sqrt(old / new),
        "no root": new / old,
        "old scale": old**-0.5,
        "new scale": new**-0.5,
        "root multiplied": new**0.5,
        "without the rotary part": math.sqrt(d_c / d_k),
        "latent alone above": math.sqrt(d_c / old),
        "key alone below": math.sqrt(new / d_k),
        "half": 0.5,
        "both scales": (old * new) ** -0.5,
        "values above": math.sqrt((d_v + d_r) / old),
        "values below": math.sqrt(new / (d_v + d_r)),
    }.get(mistake, math.sqrt(new / old))


def _into(key, own, mistake):
    """(H, d_c, D): queries that meet latents."""
    if mistake == "not transposed":
        return torch.einsum("hck,hkD->hcD", key, own)
    if mistake == "summed over heads":
        found = torch.einsum("hkc,hkD->cD", key, own)
        return found.expand(len(own), -1, -1)
    if mistake == "heads crossed":
        return torch.einsum("hkc,hkD->hcD", key, own.flip(0))
    return torch.einsum("hkc,hkD->hcD", key, own)


def _new_query(key, own, turned, ratio, mistake):
    into = _into(key, own, mistake)
    if mistake == "scale on the latent alone":
        return torch.cat([ratio * into, turned], 1).flatten(0, 1)
    if mistake == "scale on the rotary part alone":
        return torch.cat([into, ratio * turned], 1).flatten(0, 1)
    if mistake == "rotary part left out":
        return ratio * into.flatten(0, 1)
    if mistake == "rotary part 0":
        turned = torch.zeros_like(turned)
    elif mistake == "one rotary part":
        turned = turned[:1].expand_as(turned)
    parts = [into, turned]
    if mistake == "rotary first":
        parts = [turned, into]
    if mistake == "all latents first":
        return ratio * torch.cat([part.flatten(0, 1) for part in parts])
    found = torch.cat(parts, 1)  # (H, d_c + d_r, D)
    if mistake == "features first in the query":
        found = found.transpose(0, 1)
    return ratio * found.flatten(0, 1)


def _new_output(by_head, value, d_r, mistake):
    found = torch.einsum("Dhv,hvc->Dhc", by_head, value)
    if mistake == "columns for the rotary key":
        found = torch.nn.functional.pad(found, (0, d_r))
    elif mistake == "features first in the output":
        found = found.transpose(1, 2)
    elif mistake == "heads summed in the output":
        return found.sum(1)
    elif mistake == "output transposed":
        return found.flatten(1).T
    elif mistake == "output scaled":
        found = 0.5 * found
    return found.flatten(1)


def _new_bias(output, by_head, bias, H, d_k, mistake):
    cut = "" if mistake.endswith("bias right") else mistake
    of_key, of_value = _up_parts(bias, H, d_k, cut)
    if mistake == "no bias":
        return torch.zeros_like(output[:, 0])
    if mistake == "bias of values as it is":
        return of_value.flatten()
    if mistake == "bias of keys":
        return torch.einsum(
            "Dhv,hv->D", by_head, of_key[:, : of_value.shape[1]]
        )
    if mistake == "bias of both":
        both = of_key[:, : of_value.shape[1]] + of_value
        return torch.einsum("Dhv,hv->D", by_head, both)
    if mistake == "bias by head":
        return torch.einsum("Dhv,hv->Dh", by_head, of_value)
    if mistake == "bias of head 0":
        return by_head[:, 0] @ of_value[0]
    if mistake == "mean bias":
        return output @ of_value.flatten() / H
    if mistake == "bias of the first rows":
        return output @ bias[: output.shape[1]]
    if mistake == "bias of the last rows":
        return output @ bias[-output.shape[1] :]
    if mistake == "whole bias":
        return output @ bias
    if mistake == "bias subtracted":
        return -output @ of_value.flatten()
    return torch.einsum("Dhv,hv->D", by_head, of_value)


def mistaken(query, up, bias, output, H, d_r, mistake):
    """The new matrices and the bias, with a mistake."""
    if mistake == "gradients cut off":
        query, up, bias, output = (
            y.detach() for y in (query, up, bias, output)
        )
    elif mistake == "gradients of the up-projection cut off":
        up, bias = up.detach(), bias.detach()
    d_k = len(query) // H - d_r
    if mistake == "rotary width forgotten":
        d_k = len(query) // H
    elif mistake == "heads of half the up-projection":
        d_k = len(up) // H // 2
    d_c = up.shape[1]
    own, turned = _query_parts(query, H, d_k, d_r, mistake)
    key, value = _up_parts(up, H, d_k, mistake)
    ratio = _ratio(d_k, d_r, d_c, value.shape[1], mistake)
    by_head = _per_head(output, H, mistake, "output", dim=1)
    found = (
        _new_query(key, own, turned, ratio, mistake),
        _new_output(by_head, value, d_r, mistake),
        _new_bias(output, by_head, bias, H, d_k, mistake),
    )
    if mistake == "query transposed":
        return found[0].T, *found[1:]
    if mistake == "new leaves":
        return tuple(y.detach().requires_grad_() for y in found)
    if mistake == "two results":
        return found[:2]
    if mistake == "exchanged":
        return found[1], found[0], found[2]
    return found
