//! LayerNorm over the last axis.

use burn_flex::FlexTensor;

use super::memory::{
    Slot, contiguous, expect_shape, filled, for_row_chunks, row_blocks, sum_over, tensor, values,
};
use super::simd::{Vector, each_vector, multiversion};
use crate::level;

/// Rows whose contributions to the gradients of weight and bias are added up in one go.
const BLOCK_ROWS: usize = 128;

/// Which gradients somebody wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NormWants {
    pub x: bool,
    pub affine: bool,
}

/// Mean and inverse standard deviation of a row.
///
/// # Safety
/// The machine must have the instruction set, and x must hold d values.
#[inline(always)]
unsafe fn moments<V: Vector>(x: *const f32, d: usize, eps: f32) -> (f32, f32) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [V::splat(0.0); 4];
        let mut i = 0;
        while i + 4 * V::LANES <= d {
            for (part, sum) in sums.iter_mut().enumerate() {
                *sum = sum.add(V::load(x.add(i + part * V::LANES)));
            }
            i += 4 * V::LANES;
        }
        each_vector!(V, d - i,
            j => { sums[0] = sums[0].add(V::load(x.add(i + j))) },
            n => { sums[1] = sums[1].add(V::load_first(x.add(i + j), n)) });
        let mean = sums[0].add(sums[1]).add(sums[2].add(sums[3])).sum() / d as f32;

        // The row is in the cache: a second look is cheap, and exact where E[x^2] - E[x]^2 is not.
        let centre = V::splat(mean);
        let mut sums = [V::splat(0.0); 4];
        let mut i = 0;
        while i + 4 * V::LANES <= d {
            for (part, sum) in sums.iter_mut().enumerate() {
                let centred = V::load(x.add(i + part * V::LANES)).sub(centre);
                *sum = centred.mul_add(centred, *sum);
            }
            i += 4 * V::LANES;
        }
        let mut rest = 0.0;
        each_vector!(V, d - i,
        j => {
            let centred = V::load(x.add(i + j)).sub(centre);
            sums[0] = centred.mul_add(centred, sums[0]);
        },
        n => {
            for lane in 0..n {
                let centred = *x.add(i + j + lane) - mean;
                rest += centred * centred;
            }
        });
        let squares = sums[0].add(sums[1]).add(sums[2].add(sums[3])).sum() + rest;
        (mean, 1.0 / (squares / d as f32 + eps).sqrt())
    }
}

/// # Safety
/// The machine must have the instruction set.
#[inline(always)]
unsafe fn forward_body<V: Vector>(x: &[f32], weight: &[f32], bias: &[f32], y: &mut [Slot], eps: f32) {
    let d = weight.len();
    let n_rows = x.len() / d;
    assert!(bias.len() == d && x.len() == n_rows * d && y.len() == x.len());
    let (x, y) = (x.as_ptr(), y.as_mut_ptr().cast::<f32>());
    let (weight, bias) = (weight.as_ptr(), bias.as_ptr());
    // SAFETY: x and y hold rows of d values, weight and bias d; the rest is the caller's promise.
    unsafe {
        for row in 0..n_rows {
            let (x, y) = (x.add(row * d), y.add(row * d));
            let (mean, inverse) = moments::<V>(x, d, eps);
            let (mean, inverse) = (V::splat(mean), V::splat(inverse));
            each_vector!(V, d,
            i => {
                let normal = V::load(x.add(i)).sub(mean).mul(inverse);
                normal.mul_add(V::load(weight.add(i)), V::load(bias.add(i))).store(y.add(i));
            },
            n => {
                let normal = V::load_first(x.add(i), n).sub(mean).mul(inverse);
                let weight = V::load_first(weight.add(i), n);
                let bias = V::load_first(bias.add(i), n);
                normal.mul_add(weight, bias).store_first(y.add(i), n);
            });
        }
    }
}
multiversion! {
    fn forward_rows(x: &[f32], weight: &[f32], bias: &[f32], y: &mut [Slot], eps: f32) = forward_body;
}

/// Checks what forward and backward pass rely on; gives the number of channels.
fn check(x: &FlexTensor, weight: &FlexTensor, bias: Option<&FlexTensor>) -> usize {
    let shape = x.layout().shape();
    let channels = &shape[shape.num_dims().saturating_sub(1)..];
    expect_shape("layer_norm", "the weight", weight.layout().shape(), channels);
    if let Some(bias) = bias {
        expect_shape("layer_norm", "the bias", bias.layout().shape(), channels);
    }
    channels.iter().product()
}

pub(crate) fn layer_norm(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, eps: f64) -> FlexTensor {
    let d = check(&x, &weight, Some(&bias));
    let level = level::current();
    let (x, weight, bias) = (contiguous(x), contiguous(weight), contiguous(bias));
    let (source, weight, bias) = (values(&x), values(&weight), values(&bias));
    // SAFETY: the chunks cover y, and every row of them is written.
    let y = unsafe {
        filled(source.len(), |y| {
            for_row_chunks(y, d, |first, y| {
                let x = &source[first * d..][..y.len()];
                forward_rows(level, x, weight, bias, y, eps as f32);
            });
        })
    };
    tensor(y, x.layout().shape().clone())
}

/// The gradient of x, where it is wanted, and additions to `d` sums each of the gradients of weight and bias,
/// where those are.
///
/// # Safety
/// The machine must have the instruction set.
#[inline(always)]
unsafe fn backward_body<V: Vector>(
    x: &[f32],
    weight: &[f32],
    gradient: &[f32],
    dx: Option<&mut [Slot]>,
    sums: Option<&mut [f32]>,
    eps: f32,
) {
    let d = weight.len();
    let n_rows = x.len() / d;
    assert!(x.len() == n_rows * d && gradient.len() == x.len());
    assert!(dx.as_ref().is_none_or(|dx| dx.len() == x.len()));
    assert!(sums.as_ref().is_none_or(|sums| sums.len() == 2 * d));
    let dx = dx.map_or(std::ptr::null_mut(), |dx| dx.as_mut_ptr().cast::<f32>());
    let (dweight, dbias) = sums.map_or((std::ptr::null_mut(), std::ptr::null_mut()), |sums| {
        let (dweight, dbias) = sums.split_at_mut(d);
        (dweight.as_mut_ptr(), dbias.as_mut_ptr())
    });
    let (x, weight, gradient) = (x.as_ptr(), weight.as_ptr(), gradient.as_ptr());
    // SAFETY: x, its gradient and dx hold rows of d values, everything else d values or nothing; the rest is
    // the caller's promise.
    unsafe {
        for row in 0..n_rows {
            let (x, gradient) = (x.add(row * d), gradient.add(row * d));
            let (mean, inverse) = moments::<V>(x, d, eps);
            let (mean, inverse) = (V::splat(mean), V::splat(inverse));
            let (mut sum, mut product) = (V::splat(0.0), V::splat(0.0));
            // One look at x and its gradient for everything that sums.
            each_vector!(V, d,
            i => {
                let normal = V::load(x.add(i)).sub(mean).mul(inverse);
                let g = V::load(gradient.add(i));
                if !dweight.is_null() {
                    let at = dweight.add(i);
                    normal.mul_add(g, V::load(at)).store(at);
                    let at = dbias.add(i);
                    g.add(V::load(at)).store(at);
                }
                let g = g.mul(V::load(weight.add(i)));
                sum = sum.add(g);
                product = g.mul_add(normal, product);
            },
            n => {
                let normal = V::load_first(x.add(i), n).sub(mean).mul(inverse);
                let g = V::load_first(gradient.add(i), n);
                if !dweight.is_null() {
                    let at = dweight.add(i);
                    normal.mul_add(g, V::load_first(at, n)).store_first(at, n);
                    let at = dbias.add(i);
                    g.add(V::load_first(at, n)).store_first(at, n);
                }
                let g = g.mul(V::load_first(weight.add(i), n));
                sum = sum.add(g);
                product = g.mul_add(normal, product);
            });
            if dx.is_null() {
                continue;
            }
            let dx = dx.add(row * d);
            let share = V::splat(1.0 / d as f32);
            let sum = V::splat(sum.sum()).mul(share);
            let product = V::splat(product.sum()).mul(share);
            each_vector!(V, d,
            i => {
                let normal = V::load(x.add(i)).sub(mean).mul(inverse);
                let g = V::load(gradient.add(i)).mul(V::load(weight.add(i)));
                g.sub(sum).sub(normal.mul(product)).mul(inverse).store(dx.add(i));
            },
            n => {
                let normal = V::load_first(x.add(i), n).sub(mean).mul(inverse);
                let g = V::load_first(gradient.add(i), n).mul(V::load_first(weight.add(i), n));
                g.sub(sum).sub(normal.mul(product)).mul(inverse).store_first(dx.add(i), n);
            });
        }
    }
}
multiversion! {
    fn backward_rows(
        x: &[f32],
        weight: &[f32],
        gradient: &[f32],
        dx: Option<&mut [Slot]>,
        sums: Option<&mut [f32]>,
        eps: f32,
    ) = backward_body;
}

/// Gradients of x, and of weight and bias; what nobody wants is empty.
pub(crate) fn layer_norm_backward(
    x: FlexTensor,
    weight: FlexTensor,
    gradient: FlexTensor,
    eps: f64,
    wants: NormWants,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let d = check(&x, &weight, None);
    let shape = x.layout().shape().clone();
    expect_shape("layer_norm", "the gradient", gradient.layout().shape(), &shape);
    let level = level::current();
    let (x, weight, gradient) = (contiguous(x), contiguous(weight), contiguous(gradient));
    let (source, weight, slope) = (values(&x), values(&weight), values(&gradient));
    let run = |first: usize, n: usize, dx: Option<&mut [Slot]>, sums: Option<&mut [f32]>| {
        let rows = first * d..(first + n) * d;
        backward_rows(level, &source[rows.clone()], weight, &slope[rows], dx, sums, eps as f32);
    };
    let mut sums = Vec::new();
    let length = if wants.x { source.len() } else { 0 };
    // SAFETY: if dx is wanted, its chunks cover it in either case, and every row of them is written.
    let dx = unsafe {
        filled(length, |dx| {
            if wants.affine {
                // One chunk a block, or none for any.
                let mut chunks = dx.chunks_mut((BLOCK_ROWS * d).max(1));
                let n_rows = source.len().checked_div(d).unwrap_or(0);
                let blocks = row_blocks(n_rows, BLOCK_ROWS).map(|rows| (rows, chunks.next()));
                sums = sum_over(blocks, 2 * d, |(rows, dx), sums| run(rows.start, rows.len(), dx, Some(sums)));
            } else {
                for_row_chunks(dx, d, |first, dx| run(first, dx.len() / d, Some(dx), None));
            }
        })
    };
    let dbias = if wants.affine { sums.split_off(d) } else { Vec::new() };
    let n_affine = dbias.len();
    let dx = if wants.x { tensor(dx, shape) } else { tensor(dx, [0]) };
    (dx, tensor(sums, [n_affine]), tensor(dbias, [n_affine]))
}
