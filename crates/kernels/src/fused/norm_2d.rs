//! SAM's `LayerNorm2d`: over the channels of `[b, c, h, w]`, without moving them to the end.

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::memory::{contiguous, expect_shape, filled, n_values, row_blocks, sum_over, tensor, values};
use super::norm::NormWants;
use super::simd::{MAX_LANES, Vector, each_vector, multiversion};
use super::view::Shared;
use crate::level;

/// Pixels of the map that are normalized together: few enough that they stay in the cache over all
/// channels, enough to fill cache lines.
const BLOCK: usize = 64;
/// Blocks whose contributions to the gradients of weight and bias are added up in one go.
const SUMMED_BLOCKS: usize = 8;

/// The channels of some pixels of one map.
#[derive(Clone, Copy)]
struct Columns {
    /// Values from one channel to the next.
    stride: usize,
    n_channels: usize,
    n_pixels: usize,
    eps: f32,
}

/// Mean and inverse standard deviation of each pixel, for up to one vector of pixels.
///
/// # Safety
/// The machine must have the instruction set, and `load` be allowed at each channel.
#[inline(always)]
unsafe fn moments<V: Vector>(columns: Columns, load: impl Fn(*const f32) -> V, x: *const f32) -> (V, V) {
    // SAFETY: the caller's promise.
    unsafe {
        let share = V::splat(1.0 / columns.n_channels as f32);
        let mut sum = V::splat(0.0);
        for channel in 0..columns.n_channels {
            sum = sum.add(load(x.add(channel * columns.stride)));
        }
        let mean = sum.mul(share);
        let mut squares = V::splat(0.0);
        for channel in 0..columns.n_channels {
            let centred = load(x.add(channel * columns.stride)).sub(mean);
            squares = centred.mul_add(centred, squares);
        }
        let variance = squares.mul_add(share, V::splat(columns.eps));
        (mean, inverse_square_root(variance))
    }
}

#[inline(always)]
fn inverse_square_root<V: Vector>(x: V) -> V {
    let mut lanes = [0.0_f32; MAX_LANES];
    // SAFETY: no vector has more lanes, and there is one, so the machine has its instruction set.
    unsafe {
        x.store(lanes.as_mut_ptr());
        for lane in &mut lanes[..V::LANES] {
            *lane = 1.0 / lane.sqrt();
        }
        V::load(lanes.as_ptr())
    }
}

/// # Safety
/// As [`forward_body`], for the pixels that `load` and `store` touch.
#[inline(always)]
unsafe fn forward_vector<V: Vector>(
    columns: Columns,
    load: impl Fn(*const f32) -> V + Copy,
    store: impl Fn(V, *mut f32),
    x: *const f32,
    weight: *const f32,
    bias: *const f32,
    y: *mut f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let (mean, inverse) = moments(columns, load, x);
        for channel in 0..columns.n_channels {
            let at = channel * columns.stride;
            let normal = load(x.add(at)).sub(mean).mul(inverse);
            let (weight, bias) = (V::splat(*weight.add(channel)), V::splat(*bias.add(channel)));
            store(normal.mul_add(weight, bias), y.add(at));
        }
    }
}

/// # Safety
/// The machine must have the instruction set. x must hold the columns, y have room for them, and weight and bias
/// hold a value a channel.
#[inline(always)]
unsafe fn forward_body<V: Vector>(
    columns: Columns,
    x: *const f32,
    weight: *const f32,
    bias: *const f32,
    y: *mut f32,
) {
    // SAFETY: the caller's promise; vectors and rest are pixels of the columns.
    unsafe {
        each_vector!(V, columns.n_pixels,
        i => {
            let load = |at: *const f32| V::load(at);
            let store = |value: V, at: *mut f32| value.store(at);
            forward_vector(columns, load, store, x.add(i), weight, bias, y.add(i));
        },
        n => {
            let load = |at: *const f32| V::load_first(at, n);
            let store = |value: V, at: *mut f32| value.store_first(at, n);
            forward_vector(columns, load, store, x.add(i), weight, bias, y.add(i));
        });
    }
}
multiversion! {
    /// # Safety
    /// As [`forward_body`], but for the instruction set.
    unsafe fn forward_columns(
        columns: Columns,
        x: *const f32,
        weight: *const f32,
        bias: *const f32,
        y: *mut f32,
    ) = forward_body;
}

/// Where the blocks of a `[b, c, h, w]` tensor lie. What an operation relies on is checked when this is made.
struct Blocks {
    n_channels: usize,
    /// Of one map.
    n_pixels: usize,
    /// Blocks of one map.
    n_blocks: usize,
    /// Blocks of all maps.
    count: usize,
    eps: f32,
}

impl Blocks {
    fn checked(x: &FlexTensor, weight: &FlexTensor, bias: Option<&FlexTensor>, eps: f64) -> Self {
        let shape = x.layout().shape();
        let [n_maps, n_channels, height, width] = shape[..] else {
            panic!("layer_norm_2d: the input must be [b, c, h, w], found {shape:?}");
        };
        expect_shape("layer_norm_2d", "the weight", weight.layout().shape(), &[n_channels]);
        if let Some(bias) = bias {
            expect_shape("layer_norm_2d", "the bias", bias.layout().shape(), &[n_channels]);
        }
        let eps = eps as f32;
        if n_values("layer_norm_2d", shape) == 0 {
            return Self { n_channels, n_pixels: 0, n_blocks: 0, count: 0, eps };
        }
        let n_pixels = height * width;
        let n_blocks = n_pixels.div_ceil(BLOCK);
        Self { n_channels, n_pixels, n_blocks, count: n_maps * n_blocks, eps }
    }

    /// The offset of a block's first channel, and its columns: they lie inside the tensor, and those of two
    /// blocks do not overlap.
    fn get(&self, block: usize) -> (usize, Columns) {
        assert!(block < self.count);
        let (map, first) = (block / self.n_blocks, block % self.n_blocks * BLOCK);
        let columns = Columns {
            stride: self.n_pixels,
            n_channels: self.n_channels,
            n_pixels: BLOCK.min(self.n_pixels - first),
            eps: self.eps,
        };
        (map * self.n_channels * self.n_pixels + first, columns)
    }
}

pub(crate) fn layer_norm_2d(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, eps: f64) -> FlexTensor {
    let blocks = Blocks::checked(&x, &weight, Some(&bias), eps);
    let level = level::current();
    let (x, weight, bias) = (contiguous(x), contiguous(weight), contiguous(bias));
    let (source, weight, bias) = (values(&x), values(&weight), values(&bias));
    // SAFETY: the blocks cover y, and each is written by one task alone; x and y have the same columns, weight and
    // bias a value a channel.
    let y = unsafe {
        filled(source.len(), |y| {
            let y = Shared::new(y);
            (0..blocks.count).into_par_iter().with_min_len(4).for_each(|block| {
                let (start, columns) = blocks.get(block);
                let (y, _) = y.from(start);
                forward_columns(level, columns, source[start..].as_ptr(), weight.as_ptr(), bias.as_ptr(), y);
            });
        })
    };
    tensor(y, x.layout().shape().clone())
}

/// # Safety
/// As [`backward_body`], for the pixels that `load` and `store` touch.
#[inline(always)]
unsafe fn backward_vector<V: Vector>(
    columns: Columns,
    load: impl Fn(*const f32) -> V + Copy,
    store: impl Fn(V, *mut f32),
    [x, weight, gradient]: [*const f32; 3],
    dx: *mut f32,
    sums: *mut f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let Columns { stride, n_channels, .. } = columns;
        let (mean, inverse) = moments(columns, load, x);
        let (mut sum, mut product) = (V::splat(0.0), V::splat(0.0));
        for channel in 0..n_channels {
            let at = channel * stride;
            let normal = load(x.add(at)).sub(mean).mul(inverse);
            let g = load(gradient.add(at));
            if !sums.is_null() {
                // Lanes beyond the last pixel hold a gradient of zero.
                *sums.add(channel) += normal.mul(g).sum();
                *sums.add(n_channels + channel) += g.sum();
            }
            let g = g.mul(V::splat(*weight.add(channel)));
            sum = sum.add(g);
            product = g.mul_add(normal, product);
        }
        if dx.is_null() {
            return;
        }
        let share = V::splat(1.0 / n_channels as f32);
        let (sum, product) = (sum.mul(share), product.mul(share));
        for channel in 0..n_channels {
            let at = channel * stride;
            let normal = load(x.add(at)).sub(mean).mul(inverse);
            let g = load(gradient.add(at)).mul(V::splat(*weight.add(channel)));
            store(g.sub(sum).sub(normal.mul(product)).mul(inverse), dx.add(at));
        }
    }
}

/// # Safety
/// The machine must have the instruction set. x and its gradient must hold the columns, and the weight a value a
/// channel. dx must have room for the columns or be null, the sums hold two values a channel or be null.
#[inline(always)]
unsafe fn backward_body<V: Vector>(columns: Columns, sources: [*const f32; 3], dx: *mut f32, sums: *mut f32) {
    // SAFETY: the caller's promise; vectors and rest are pixels of the columns.
    unsafe {
        let [x, weight, gradient] = sources;
        let offset = |i: usize| [x.wrapping_add(i), weight, gradient.wrapping_add(i)];
        each_vector!(V, columns.n_pixels,
        i => {
            let load = |at: *const f32| V::load(at);
            let store = |value: V, at: *mut f32| value.store(at);
            let dx = if dx.is_null() { dx } else { dx.add(i) };
            backward_vector(columns, load, store, offset(i), dx, sums);
        },
        n => {
            let load = |at: *const f32| V::load_first(at, n);
            let store = |value: V, at: *mut f32| value.store_first(at, n);
            let dx = if dx.is_null() { dx } else { dx.add(i) };
            backward_vector(columns, load, store, offset(i), dx, sums);
        });
    }
}
multiversion! {
    /// # Safety
    /// As [`backward_body`], but for the instruction set.
    unsafe fn backward_columns(
        columns: Columns,
        sources: [*const f32; 3],
        dx: *mut f32,
        sums: *mut f32,
    ) = backward_body;
}

/// Gradients of x, and of weight and bias; what nobody wants is empty.
pub(crate) fn layer_norm_2d_backward(
    x: FlexTensor,
    weight: FlexTensor,
    gradient: FlexTensor,
    eps: f64,
    wants: NormWants,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let blocks = Blocks::checked(&x, &weight, None, eps);
    let shape = x.layout().shape().clone();
    expect_shape("layer_norm_2d", "the gradient", gradient.layout().shape(), &shape);
    let level = level::current();
    let (x, weight, gradient) = (contiguous(x), contiguous(weight), contiguous(gradient));
    let (source, weight, slope) = (values(&x), values(&weight), values(&gradient));
    let n_sums = 2 * blocks.n_channels;
    let run = |block: usize, dx: Option<Shared<'_>>, sums: Option<&mut [f32]>| {
        let (start, columns) = blocks.get(block);
        let sources = [source[start..].as_ptr(), weight.as_ptr(), slope[start..].as_ptr()];
        let dx = dx.map_or(std::ptr::null_mut(), |dx| dx.from(start).0);
        let sums = sums.map_or(std::ptr::null_mut(), |sums| {
            assert!(sums.len() == n_sums);
            sums.as_mut_ptr()
        });
        // SAFETY: the columns of a block lie in x, in its gradient and in dx, which are of one shape; the weight
        // has a value a channel, the sums two.
        unsafe { backward_columns(level, columns, sources, dx, sums) };
    };
    let mut sums = Vec::new();
    let length = if wants.x { source.len() } else { 0 };
    // SAFETY: if dx is wanted, the blocks cover it in either case; each is written by one task alone.
    let dx = unsafe {
        filled(length, |dx| {
            let dx = wants.x.then(|| Shared::new(dx));
            if wants.affine {
                sums = sum_over(row_blocks(blocks.count, SUMMED_BLOCKS), n_sums, |part, sums| {
                    part.for_each(|block| run(block, dx, Some(sums)));
                });
            } else if wants.x {
                (0..blocks.count).into_par_iter().with_min_len(4).for_each(|block| run(block, dx, None));
            }
        })
    };
    let dbias = if wants.affine { sums.split_off(blocks.n_channels) } else { Vec::new() };
    let n_affine = dbias.len();
    let dx = if wants.x { tensor(dx, shape) } else { tensor(dx, [0]) };
    (dx, tensor(sums, [n_affine]), tensor(dbias, [n_affine]))
}
