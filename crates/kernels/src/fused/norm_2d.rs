//! SAM's `LayerNorm2d`: over the channels of `[b, c, h, w]`, without moving them to the end.

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::math::each_vector;
use super::memory::{Shared, contiguous, filled, sum_over_rows, tensor, values};
use super::norm::NormWants;
use super::simd::{Vector, multiversion};

/// Places of the map that are normalised together: few enough that they stay in the cache over all
/// channels, enough to fill cache lines.
const BLOCK: usize = 64;

/// The channels of some places of one map.
#[derive(Clone, Copy)]
struct Columns {
    /// Values from one channel to the next.
    stride: usize,
    n_channels: usize,
    n_places: usize,
    eps: f32,
}

/// Mean and inverse standard deviation of each place, for up to one vector of places.
#[inline(always)]
unsafe fn moments<V: Vector>(columns: Columns, load: impl Fn(*const f32) -> V, x: *const f32) -> (V, V) {
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
unsafe fn inverse_square_root<V: Vector>(x: V) -> V {
    let mut lanes = [0.0_f32; 16];
    // SAFETY: no vector has more than 16 lanes.
    unsafe {
        x.store(lanes.as_mut_ptr());
        for lane in &mut lanes[..V::LANES] {
            *lane = 1.0 / lane.sqrt();
        }
        V::load(lanes.as_ptr())
    }
}

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

#[inline(always)]
unsafe fn forward_body<V: Vector>(
    columns: Columns,
    x: *const f32,
    weight: *const f32,
    bias: *const f32,
    y: *mut f32,
) {
    unsafe {
        each_vector!(V, columns.n_places,
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
    fn forward_places(
        columns: Columns,
        x: *const f32,
        weight: *const f32,
        bias: *const f32,
        y: *mut f32,
    ) = forward_body;
}

/// Where the blocks of a `[b, c, h, w]` tensor lie.
struct Blocks {
    n_channels: usize,
    n_places: usize,
    a_map: usize,
    count: usize,
    eps: f32,
}

impl Blocks {
    fn of(x: &FlexTensor, weight: &FlexTensor, eps: f64) -> Self {
        let shape = x.layout().shape();
        assert_eq!(shape.num_dims(), 4, "LayerNorm2d of {shape:?}");
        let (n_channels, n_places) = (shape[1], shape[2] * shape[3]);
        assert_eq!(values(weight).len(), n_channels, "LayerNorm2d's weight for {shape:?}");
        let a_map = n_places.div_ceil(BLOCK);
        Self { n_channels, n_places, a_map, count: shape[0] * a_map, eps: eps as f32 }
    }

    /// The offset of a block's first channel, and its size.
    fn get(&self, block: usize) -> (usize, Columns) {
        let (map, place) = (block / self.a_map, block % self.a_map * BLOCK);
        let columns = Columns {
            stride: self.n_places,
            n_channels: self.n_channels,
            n_places: BLOCK.min(self.n_places - place),
            eps: self.eps,
        };
        (map * self.n_channels * self.n_places + place, columns)
    }
}

pub(crate) fn layer_norm_2d(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, eps: f64) -> FlexTensor {
    let (x, weight, bias) = (contiguous(x), contiguous(weight), contiguous(bias));
    let blocks = Blocks::of(&x, &weight, eps);
    assert_eq!(values(&bias).len(), blocks.n_channels, "LayerNorm2d's bias");
    let source = values(&x);
    // SAFETY: the blocks cover y; channels of a block lie `stride` apart.
    let y = unsafe {
        filled(source.len(), |y| {
            let y = Shared(y);
            (0..blocks.count).into_par_iter().with_min_len(4).for_each(|block| {
                let (start, columns) = blocks.get(block);
                let (weight, bias) = (values(&weight).as_ptr(), values(&bias).as_ptr());
                forward_places(columns, source[start..].as_ptr(), weight, bias, y.get().add(start));
            });
        })
    };
    tensor(y, x.layout().shape().clone())
}

#[inline(always)]
unsafe fn backward_vector<V: Vector>(
    columns: Columns,
    load: impl Fn(*const f32) -> V + Copy,
    store: impl Fn(V, *mut f32),
    [x, weight, gradient]: [*const f32; 3],
    dx: *mut f32,
    sums: *mut f32,
) {
    unsafe {
        let Columns { stride, n_channels, .. } = columns;
        let (mean, inverse) = moments(columns, load, x);
        let (mut sum, mut product) = (V::splat(0.0), V::splat(0.0));
        for channel in 0..n_channels {
            let at = channel * stride;
            let normal = load(x.add(at)).sub(mean).mul(inverse);
            let g = load(gradient.add(at));
            if !sums.is_null() {
                // Lanes beyond the last place hold a gradient of zero.
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

#[inline(always)]
unsafe fn backward_body<V: Vector>(columns: Columns, sources: [*const f32; 3], dx: *mut f32, sums: *mut f32) {
    unsafe {
        let [x, weight, gradient] = sources;
        let offset = |i: usize| [x.wrapping_add(i), weight, gradient.wrapping_add(i)];
        each_vector!(V, columns.n_places,
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
    fn backward_places(
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
    let (x, weight, gradient) = (contiguous(x), contiguous(weight), contiguous(gradient));
    let blocks = Blocks::of(&x, &weight, eps);
    let (source, slope) = (values(&x), values(&gradient));
    let run = |block: usize, dx: *mut f32, sums: *mut f32| {
        let (start, columns) = blocks.get(block);
        let sources = [source[start..].as_ptr(), values(&weight).as_ptr(), slope[start..].as_ptr()];
        // SAFETY: the block exists in x, in its gradient and, if wanted, in dx.
        unsafe {
            let dx = if dx.is_null() { dx } else { dx.add(start) };
            backward_places(columns, sources, dx, sums);
        }
    };
    let mut sums = Vec::new();
    let length = if wants.x { source.len() } else { 0 };
    // SAFETY: if wanted, one of the two loops writes all of dx.
    let dx = unsafe {
        filled(length, |dx| {
            let dx = Shared(if wants.x { dx } else { std::ptr::null_mut() });
            if wants.affine {
                let width = 2 * blocks.n_channels;
                sums = sum_over_rows(blocks.count, 8, width, |first, n, sums| {
                    (first..first + n).for_each(|block| run(block, dx.get(), sums.as_mut_ptr()));
                });
            } else if wants.x {
                (0..blocks.count)
                    .into_par_iter()
                    .with_min_len(4)
                    .for_each(|block| run(block, dx.get(), std::ptr::null_mut()));
            }
        })
    };
    let dbias = if wants.affine { sums.split_off(blocks.n_channels) } else { Vec::new() };
    let n_affine = dbias.len();
    let dx = if wants.x { tensor(dx, x.layout().shape().clone()) } else { tensor(dx, [0]) };
    (dx, tensor(sums, [n_affine]), tensor(dbias, [n_affine]))
}
