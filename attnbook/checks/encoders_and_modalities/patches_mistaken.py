"""Code that cuts pictures into patches wrongly."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def _whole(pictures, P, Q, mistake):
    """The pictures with what is missing to full patches."""
    H, W = pictures.shape[-2:]
    down, right = -H % P, -W % Q
    if mistake == "cut off":
        return pictures[..., : H - H % P, : W - W % Q]
    if mistake == "in front":
        return F.pad(pictures, (right, 0, down, 0))
    if mistake == "both sides":
        left, top = right // 2, down // 2
        return F.pad(pictures, (left, right - left, top, down - top))
    if mistake == "repeated":
        return F.pad(pictures, (0, right, 0, down), mode="replicate")
    if mistake == "minus ones":
        return F.pad(pictures, (0, right, 0, down), value=-1.0)
    if mistake == "ones":
        return F.pad(pictures, (0, right, 0, down), value=1.0)
    if mistake == "always padded":
        return F.pad(pictures, (0, Q - W % Q, 0, P - H % P))
    if mistake == "axes of the padding swapped":
        pictures = F.pad(pictures, (0, down, 0, right))
        H, W = pictures.shape[-2:]
        return pictures[..., : H - H % P, : W - W % Q]
    if mistake == "stretched":
        return F.interpolate(pictures, (H + down, W + right))
    if mistake == "stretched smoothly":
        return F.interpolate(pictures, (H + down, W + right), mode="bilinear")
    if mistake == "mirrored":
        rows = [*range(H), *[max(H - 2 - n, 0) for n in range(down)]]
        columns = [*range(W), *[max(W - 2 - n, 0) for n in range(right)]]
        return pictures[:, :, rows][..., columns]
    if mistake == "sides swapped":
        down, right = -H % Q, -W % P
        pictures = F.pad(pictures, (0, right, 0, down))
        H, W = pictures.shape[-2:]
        return F.pad(pictures, (0, -W % Q, 0, -H % P))
    if mistake == "mean of picture":
        found = pictures.mean((-1, -2), keepdim=True)
        found = found.expand(*pictures.shape[:2], H + down, W + right).clone()
        found[..., :H, :W] = pictures
        return found
    return F.pad(pictures, (0, right, 0, down))


def mistaken(pictures, weight, bias, mistake):
    """The tokens (B, N, D), with one mistake."""
    D, C, P, Q = weight.shape
    if mistake == "picture detached":
        pictures = pictures.detach()
    elif mistake == "weight detached":
        weight = weight.detach()
    elif mistake == "bias detached":
        bias = bias.detach()
    elif mistake == "all detached":
        pictures, weight = pictures.detach(), weight.detach()
        bias = bias.detach()
    if mistake == "channels last in product":
        weight = weight.permute(0, 2, 3, 1).reshape(weight.shape)
    elif mistake == "pixels across, transposed":
        weight = weight.mT.reshape(weight.shape)
    elif mistake == "pictures transposed":
        pictures = pictures.mT
    elif mistake == "both transposed":
        pictures, weight = pictures.mT, weight.mT
        P, Q = Q, P
    elif mistake == "grey":
        pictures = pictures.mean(1, keepdim=True).expand_as(pictures)
    elif mistake == "bytes":
        pictures = pictures / 255
    elif mistake == "pixels across":
        weight = weight.flatten(2)
        weight = weight.unflatten(2, (Q, P)).transpose(2, 3)
    elif mistake == "channels in the middle":
        weight = weight.transpose(1, 2).reshape(weight.shape)
    elif mistake == "pictures mirrored":
        pictures = pictures.flip(3)
    elif mistake == "pictures upside down":
        pictures = pictures.flip(2)
    elif mistake == "normalised":
        pictures = (pictures - pictures.mean()) / pictures.std()
    elif mistake == "first channel repeated":
        pictures = pictures[:, :1].expand_as(pictures)
    elif mistake == "flipped":
        weight = weight.flip(2, 3)
    elif mistake == "upside down":
        weight = weight.flip(2)
    elif mistake == "left to right":
        weight = weight.flip(3)
    elif mistake == "pictures channels last":
        B, C, H, W = pictures.shape
        pictures = pictures.reshape(B, H, W, C).permute(0, 3, 1, 2)
    elif mistake == "both parameters detached":
        weight, bias = weight.detach(), bias.detach()
    elif mistake == "channels backwards":
        weight = weight.flip(1)
    elif mistake == "channels last in weight":
        weight = weight.flatten(1).view(D, P, Q, C).permute(0, 3, 1, 2)
    elif mistake == "channels averaged":
        weight = weight / C
    elif mistake == "pixels averaged":
        weight = weight / (P * Q)
    elif mistake == "mean of all":
        weight = weight / (C * P * Q)
    elif mistake == "first channel":
        weight = torch.cat([weight[:, :1], 0 * weight[:, 1:]], 1)
    elif mistake == "channels summed first":
        weight = weight[:, :1].expand_as(weight)
    elif mistake == "scaled":
        weight = weight / (C * P * Q) ** 0.5
    elif mistake == "weight not transposed":
        weight = weight.reshape(C * P * Q, D).T.reshape(weight.shape)
    B = len(pictures)
    whole = _whole(pictures, P, Q, mistake)
    H, W = whole.shape[-2:]
    h, w = H // P, W // Q
    if mistake == "only reshaped":
        rows = whole.reshape(B, h * w, C * P * Q)
        return rows @ weight.flatten(1).T + bias
    if mistake == "channels folded":
        rows = whole.reshape(B, C, h * w, P * Q).transpose(1, 2).flatten(2)
        return rows @ weight.flatten(1).T + bias
    if mistake == "unfold reshaped":
        rows = whole.reshape(B, C, h, P, w, Q).permute(0, 1, 3, 5, 2, 4)
        rows = rows.reshape(B, h * w, C * P * Q)
        return rows @ weight.flatten(1).T + bias
    if mistake == "strips":
        rows = whole.reshape(B, C, h, P, w, Q).permute(0, 2, 3, 1, 4, 5)
        rows = rows.reshape(B, h * w, C * P * Q)
        return rows @ weight.flatten(1).T + bias
    if mistake == "interleaved":
        cut = whole.reshape(B, C, P, h, Q, w).permute(0, 1, 3, 5, 2, 4)
    else:
        cut = whole.unfold(2, P, P).unfold(3, Q, Q)  # (B, C, h, w, P, Q)
    if mistake == "stride 1":
        cut = whole.unfold(2, P, 1).unfold(3, Q, 1)
    tokens = torch.einsum("bchwpq,dcpq->bhwd", cut, weight)
    if mistake == "grid":
        return tokens + bias
    if mistake == "convolution left":
        return (tokens + bias).permute(0, 3, 1, 2)
    if mistake == "features first":
        return (tokens + bias).permute(0, 3, 1, 2).flatten(2)
    if mistake == "reshaped to tokens":
        out = (tokens + bias).permute(0, 3, 1, 2)
        return out.reshape(B, -1, D)
    if mistake == "reshaped, then the bias":
        return tokens.permute(0, 3, 1, 2).reshape(B, -1, D) + bias
    if mistake == "tokens first":
        return (tokens.flatten(1, 2) + bias).transpose(0, 1)
    if mistake == "full ones alone":
        fits = tokens[:, : pictures.shape[2] // P, : pictures.shape[3] // Q]
        return fits.flatten(1, 2) + bias
    if mistake == "as many as full ones":
        count = (pictures.shape[2] // P) * (pictures.shape[3] // Q)
        return (tokens.flatten(1, 2) + bias)[:, :count]
    if mistake == "patches summed":
        return (tokens.flatten(1, 2) + bias).sum(1, keepdim=True)
    if mistake == "patches averaged":
        return (tokens.flatten(1, 2) + bias).mean(1, keepdim=True)
    if mistake == "columns first":
        return tokens.transpose(1, 2).flatten(1, 2) + bias
    if mistake == "from the bottom":
        return tokens.flip(1).flatten(1, 2) + bias
    if mistake == "from the right":
        return tokens.flip(2).flatten(1, 2) + bias
    if mistake == "patches backwards":
        return tokens.flatten(1, 2).flip(1) + bias
    if mistake == "batch as tokens":
        return tokens.flatten(0, 2)[None] + bias
    tokens = tokens.flatten(1, 2)
    if mistake == "no bias":
        return tokens
    if mistake == "bias subtracted":
        return tokens - bias
    if mistake == "bias for each pixel":
        return tokens + bias * P * Q
    if mistake == "bias for each channel":
        return tokens + bias * C
    if mistake == "bias for each product":
        return tokens + bias * (C * P * Q)
    if mistake == "bias summed":
        return tokens + bias.sum()
    if mistake == "last patch missing":
        return (tokens + bias)[:, :-1]
    if mistake == "bias twice":
        return tokens + 2 * bias
    if mistake == "class token":
        return torch.cat([tokens.new_zeros(B, 1, D), tokens + bias], 1)
    if mistake == "scaled with the bias":
        return (tokens + bias) / (C * P * Q) ** 0.5
    if mistake == "softmaxed":
        return (tokens + bias).softmax(-1)
    if mistake == "relu":
        return (tokens + bias).relu()
    if mistake == "normed":
        return F.layer_norm(tokens + bias, (D,))
    if mistake == "no batch":
        return (tokens + bias)[0]
    if mistake == "first picture":
        return (tokens + bias)[:1].expand(B, -1, -1)
    if mistake == "squeezed":
        return (tokens + bias).squeeze()
    if mistake == "batch averaged":
        return (tokens + bias).mean(0, keepdim=True)
    return tokens + bias
