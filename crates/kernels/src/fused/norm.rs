//! LayerNorm over the last axis.

use burn_flex::FlexTensor;

use super::math::each_vector;
use super::memory::{Shared, contiguous, filled, for_row_chunks, sum_over_rows, tensor, values};
use super::simd::{Vector, multiversion};

/// Which gradients somebody wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NormWants {
    pub x: bool,
    pub affine: bool,
}

/// Mean and inverse standard deviation of a row.
#[inline(always)]
unsafe fn moments<V: Vector>(x: *const f32, d: usize, eps: f32) -> (f32, f32) {
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

#[inline(always)]
unsafe fn forward_body<V: Vector>(
    x: *const f32,
    weight: *const f32,
    bias: *const f32,
    y: *mut f32,
    n_rows: usize,
    d: usize,
    eps: f32,
) {
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
    fn forward_rows(
        x: *const f32,
        weight: *const f32,
        bias: *const f32,
        y: *mut f32,
        n_rows: usize,
        d: usize,
        eps: f32,
    ) = forward_body;
}

pub(crate) fn layer_norm(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, eps: f64) -> FlexTensor {
    let (x, weight, bias) = (contiguous(x), contiguous(weight), contiguous(bias));
    let shape = x.layout().shape().clone();
    let d = values(&weight).len();
    assert!(shape.last() == Some(&d) && values(&bias).len() == d, "LayerNorm of {d} channels on {shape:?}");
    let source = values(&x);
    // SAFETY: every row of y is written; all slices hold what their lengths say.
    let y = unsafe {
        filled(source.len(), |y| {
            let y = Shared(y);
            for_row_chunks(source.len() / d.max(1), d, |first, n| {
                let start = first * d;
                forward_rows(
                    source[start..].as_ptr(),
                    values(&weight).as_ptr(),
                    values(&bias).as_ptr(),
                    y.get().add(start),
                    n,
                    d,
                    eps as f32,
                );
            });
        })
    };
    tensor(y, shape)
}

/// `dx` and, where `dweight` is not null, additions to `dweight` and `dbias`.
#[allow(clippy::too_many_arguments)] // a kernel's operands
#[inline(always)]
unsafe fn backward_body<V: Vector>(
    x: *const f32,
    weight: *const f32,
    gradient: *const f32,
    dx: *mut f32,
    dweight: *mut f32,
    dbias: *mut f32,
    n_rows: usize,
    d: usize,
    eps: f32,
) {
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
        x: *const f32,
        weight: *const f32,
        gradient: *const f32,
        dx: *mut f32,
        dweight: *mut f32,
        dbias: *mut f32,
        n_rows: usize,
        d: usize,
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
    let (x, weight, gradient) = (contiguous(x), contiguous(weight), contiguous(gradient));
    let shape = x.layout().shape().clone();
    let (source, scale, slope) = (values(&x), values(&weight), values(&gradient));
    let d = scale.len();
    let n_rows = source.len() / d.max(1);
    let eps = eps as f32;
    let run = |first: usize, n: usize, dx: *mut f32, sums: Option<&mut [f32]>| {
        let start = first * d;
        let (dweight, dbias) = sums.map_or((std::ptr::null_mut(), std::ptr::null_mut()), |sums| {
            let (dweight, dbias) = sums.split_at_mut(d);
            (dweight.as_mut_ptr(), dbias.as_mut_ptr())
        });
        // SAFETY: rows `first..first + n` exist everywhere; sums hold 2 d values.
        unsafe {
            let dx = if dx.is_null() { dx } else { dx.add(start) };
            let (x, gradient) = (source[start..].as_ptr(), slope[start..].as_ptr());
            backward_rows(x, scale.as_ptr(), gradient, dx, dweight, dbias, n, d, eps);
        }
    };
    let mut sums = Vec::new();
    let length = if wants.x { source.len() } else { 0 };
    // SAFETY: if wanted, every row of dx is written by one of the two loops.
    let dx = unsafe {
        filled(length, |dx| {
            let dx = Shared(if wants.x { dx } else { std::ptr::null_mut() });
            if wants.affine {
                sums = sum_over_rows(n_rows, 128, 2 * d, |first, n, sums| {
                    run(first, n, dx.get(), Some(sums));
                });
            } else if wants.x {
                for_row_chunks(n_rows, d, |first, n| run(first, n, dx.get(), None));
            }
        })
    };
    let dbias = if wants.affine { sums.split_off(d) } else { Vec::new() };
    let n_affine = dbias.len();
    let dx = if wants.x { tensor(dx, shape) } else { tensor(dx, [0]) };
    (dx, tensor(sums, [n_affine]), tensor(dbias, [n_affine]))
}
