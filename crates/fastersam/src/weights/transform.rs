//! From a tensor as a checkpoint stores it to a parameter as the model needs it.

use fastersam_pausing_encoder::position::{resize_abs_pos, resize_abs_pos_bicubic, resize_rel_pos};

/// Largest side of a position table that is read; SAM's is 64, DINOv2's 37. Nothing but this bounds a table
/// that is resized to the model's size.
const MAX_SIDE: usize = 256;

/// How tensors of a file become one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transform {
    /// As it is.
    Copy,
    /// `[out, in]` to `[in, out]`.
    Transpose,
    /// Vectors one after the other.
    Stack,
    /// Matrices `[out, in]` one after the other, transposed: `[in, n out]`.
    StackTransposed,
    /// SAM's absolute positions `[1, g, g, d]`, resized bilinearly.
    AbsolutePositions,
    /// SAM's relative positions `[2 g - 1, head_dim]`, resized linearly.
    RelativePositions,
    /// DINOv2's positions `[1, 1 + g * g, d]` without the class token's, resized bicubically to
    /// `[1, g', g', d]`.
    PatchPositions,
    /// The class token's position out of DINOv2's.
    ClassPosition,
}

impl Transform {
    /// Whether tensors of the shapes `found` become `target`: what would fit instead, if not.
    pub(crate) fn check(self, found: &[&[usize]], target: &[usize]) -> Result<(), (usize, String)> {
        let expect = |shape: Vec<usize>| {
            let misfit = found.iter().position(|found| *found != shape);
            misfit.map_or(Ok(()), |i| Err((i, format!("{shape:?}"))))
        };
        let first = found.first().copied().unwrap_or_default();
        let channels = target.last().copied().unwrap_or_default();
        let fits = |fits: bool, expected: String| if fits { Ok(()) } else { Err((0, expected)) };
        match self {
            Self::Copy => expect(target.to_vec()),
            Self::Transpose => expect(target.iter().rev().copied().collect()),
            Self::Stack => expect(target.iter().map(|n| n / found.len().max(1)).collect()),
            Self::StackTransposed => match *target {
                [d_in, d_out] => expect(vec![d_out / found.len().max(1), d_in]),
                _ => Err((0, "a matrix".to_owned())),
            },
            Self::AbsolutePositions => fits(
                matches!(*first, [1, h, w, c] if h == w && (1..=MAX_SIDE).contains(&h) && c == channels)
                    && matches!(*target, [1, h, w, _] if h == w),
                format!("[1, g, g, {channels}] with g of 1 to {MAX_SIDE}"),
            ),
            Self::RelativePositions => fits(
                matches!(*first, [n, c] if (1..2 * MAX_SIDE).contains(&n) && c == channels) && target.len() == 2,
                format!("[n, {channels}] with n of 1 to {}", 2 * MAX_SIDE - 1),
            ),
            Self::PatchPositions => fits(
                is_patch_table(first, channels) && matches!(*target, [1, h, w, _] if h == w),
                format!("[1, 1 + g * g, {channels}] with g of 1 to {MAX_SIDE}"),
            ),
            Self::ClassPosition => fits(
                is_patch_table(first, channels) && target.iter().product::<usize>() == channels,
                format!("[1, 1 + g * g, {channels}] with g of 1 to {MAX_SIDE}"),
            ),
        }
    }

    /// The sizes of a table before and after, where resizing it changes something.
    pub(crate) fn resizes(self, found: &[usize], target: &[usize]) -> Option<(usize, usize)> {
        let (from, to) = match (self, found, target) {
            (Self::AbsolutePositions, [_, from, ..], [_, to, ..])
            | (Self::RelativePositions, [from, _], [to, _]) => (*from, *to),
            (Self::PatchPositions, [_, n, _], [_, to, ..]) => ((n - 1).isqrt(), *to),
            _ => return None,
        };
        (from != to).then_some((from, to))
    }

    /// The parameter's values; shapes have passed [`check`](Self::check).
    pub(crate) fn apply(self, tensors: Vec<Vec<f32>>, found: &[usize], target: &[usize]) -> Vec<f32> {
        let channels = target.last().copied().unwrap_or_default();
        let all = tensors.concat();
        match self {
            Self::Copy | Self::Stack => all,
            Self::Transpose | Self::StackTransposed => match *target {
                [d_in, d_out] => transpose(&all, d_out, d_in),
                _ => all,
            },
            Self::AbsolutePositions => resize_abs_pos(&all, found[1], target[1], channels),
            Self::RelativePositions if found[0] == target[0] => all,
            Self::RelativePositions => resize_rel_pos(&all, found[0], target[0], channels),
            Self::PatchPositions => {
                let from = (found[1] - 1).isqrt();
                resize_abs_pos_bicubic(&all[channels..], from, target[1], channels)
            }
            Self::ClassPosition => all[..channels].to_vec(),
        }
    }
}

/// Whether a shape is that of DINOv2's positions: the class token's, then those of a square of patches.
fn is_patch_table(shape: &[usize], channels: usize) -> bool {
    let &[1, n, c] = shape else { return false };
    let side = n.saturating_sub(1).isqrt();
    c == channels && (1..=MAX_SIDE).contains(&side) && n - 1 == side * side
}

/// `[rows, cols]` to `[cols, rows]`.
fn transpose(values: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    // Tiles that stay in the cache.
    const TILE: usize = 32;
    let mut out = vec![0.0; values.len()];
    for first_row in (0..rows).step_by(TILE) {
        for first_col in (0..cols).step_by(TILE) {
            for row in first_row..(first_row + TILE).min(rows) {
                for col in first_col..(first_col + TILE).min(cols) {
                    out[col * rows + row] = values[row * cols + col];
                }
            }
        }
    }
    out
}
