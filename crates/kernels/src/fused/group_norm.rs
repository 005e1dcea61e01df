//! GroupNorm and GELU on rows, one a pixel, channels last, and their gradients.

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::math::{gelu, gelu_derivative};
use super::memory::{
    Slot, contiguous, expect_shape, filled, for_row_chunks, row_blocks, sum_over, tensor, values,
};
use super::simd::{Vector, each_vector, multiversion};
use crate::level::{self, Level};

/// Rows that are added up in one go.
const BLOCK_ROWS: usize = 256;

/// # Safety
/// The machine must have the instruction set.
#[inline(always)]
unsafe fn add_powers_body<V: Vector>(x: &[f32], mean: &[f32], square: bool, sums: &mut [f32]) {
    let c = mean.len();
    let n_rows = x.len() / c;
    assert!(sums.len() == c && x.len() == n_rows * c);
    let (x, mean, sums) = (x.as_ptr(), mean.as_ptr(), sums.as_mut_ptr());
    // SAFETY: x holds rows of c values, the others c; the rest is the caller's promise.
    unsafe {
        for row in 0..n_rows {
            let x = x.add(row * c);
            let power = |difference: V| if square { difference.mul(difference) } else { difference };
            each_vector!(V, c,
            i => {
                let difference = V::load(x.add(i)).sub(V::load(mean.add(i)));
                V::load(sums.add(i)).add(power(difference)).store(sums.add(i));
            },
            n => {
                let difference = V::load_first(x.add(i), n).sub(V::load_first(mean.add(i), n));
                V::load_first(sums.add(i), n).add(power(difference)).store_first(sums.add(i), n);
            });
        }
    }
}
multiversion! {
    /// Adds `x - mean`, or its square, of each channel to the sums.
    fn add_powers(x: &[f32], mean: &[f32], square: bool, sums: &mut [f32]) = add_powers_body;
}

/// # Safety
/// The machine must have the instruction set.
#[inline(always)]
unsafe fn scale_gelu_body<V: Vector>(x: &[f32], mean: &[f32], scale: &[f32], shift: &[f32], target: &mut [Slot]) {
    let c = mean.len();
    let n_rows = x.len() / c;
    assert!(scale.len() == c && shift.len() == c && x.len() == n_rows * c && target.len() == x.len());
    let (x, target) = (x.as_ptr(), target.as_mut_ptr().cast::<f32>());
    let (mean, scale, shift) = (mean.as_ptr(), scale.as_ptr(), shift.as_ptr());
    // SAFETY: x and target hold rows of c values, the others c; the rest is the caller's promise.
    unsafe {
        for row in 0..n_rows {
            let (x, target) = (x.add(row * c), target.add(row * c));
            each_vector!(V, c,
            i => {
                let centred = V::load(x.add(i)).sub(V::load(mean.add(i)));
                let y = centred.mul_add(V::load(scale.add(i)), V::load(shift.add(i)));
                gelu(y).store(target.add(i));
            },
            n => {
                let centred = V::load_first(x.add(i), n).sub(V::load_first(mean.add(i), n));
                let scale = V::load_first(scale.add(i), n);
                let y = centred.mul_add(scale, V::load_first(shift.add(i), n));
                gelu(y).store_first(target.add(i), n);
            });
        }
    }
}
multiversion! {
    /// `target = gelu((x - mean) * scale + shift)`, channel by channel.
    fn scale_gelu(
        x: &[f32],
        mean: &[f32],
        scale: &[f32],
        shift: &[f32],
        target: &mut [Slot],
    ) = scale_gelu_body;
}

/// # Safety
/// The machine must have the instruction set.
#[inline(always)]
unsafe fn slopes_body<V: Vector>(
    x: &[f32],
    gradient: &[f32],
    mean: &[f32],
    scale: &[f32],
    shift: &[f32],
    target: &mut [Slot],
    sums: &mut [f32],
) {
    let c = mean.len();
    let n_rows = x.len() / c;
    assert!(x.len() == n_rows * c && gradient.len() == x.len() && target.len() == x.len());
    assert!(scale.len() == c && shift.len() == c && sums.len() == 2 * c);
    let (x, gradient, target) = (x.as_ptr(), gradient.as_ptr(), target.as_mut_ptr().cast::<f32>());
    let (mean, scale, shift, sums) = (mean.as_ptr(), scale.as_ptr(), shift.as_ptr(), sums.as_mut_ptr());
    // SAFETY: x, its gradient and target hold rows of c values, the sums 2 c, the others c; the rest is the
    // caller's promise.
    unsafe {
        for row in 0..n_rows {
            let (x, gradient, target) = (x.add(row * c), gradient.add(row * c), target.add(row * c));
            let (sums, with_x) = (sums, sums.add(c));
            each_vector!(V, c,
            i => {
                let centred = V::load(x.add(i)).sub(V::load(mean.add(i)));
                let y = centred.mul_add(V::load(scale.add(i)), V::load(shift.add(i)));
                let slope = gelu_derivative(y).mul(V::load(gradient.add(i)));
                slope.store(target.add(i));
                V::load(sums.add(i)).add(slope).store(sums.add(i));
                slope.mul_add(centred, V::load(with_x.add(i))).store(with_x.add(i));
            },
            n => {
                let centred = V::load_first(x.add(i), n).sub(V::load_first(mean.add(i), n));
                let scale = V::load_first(scale.add(i), n);
                let y = centred.mul_add(scale, V::load_first(shift.add(i), n));
                let slope = gelu_derivative(y).mul(V::load_first(gradient.add(i), n));
                slope.store_first(target.add(i), n);
                V::load_first(sums.add(i), n).add(slope).store_first(sums.add(i), n);
                slope.mul_add(centred, V::load_first(with_x.add(i), n)).store_first(with_x.add(i), n);
            });
        }
    }
}
multiversion! {
    /// The gradient before GELU; adds it, and its product with `x - mean`, to `c` sums each.
    fn slopes(
        x: &[f32],
        gradient: &[f32],
        mean: &[f32],
        scale: &[f32],
        shift: &[f32],
        target: &mut [Slot],
        sums: &mut [f32],
    ) = slopes_body;
}

/// # Safety
/// The machine must have the instruction set, and the target must have been written.
#[inline(always)]
unsafe fn finish_body<V: Vector>(
    x: &[f32],
    mean: &[f32],
    scale: &[f32],
    of_x: &[f32],
    constant: &[f32],
    target: &mut [Slot],
) {
    let c = mean.len();
    let n_rows = x.len() / c;
    assert!(x.len() == n_rows * c && target.len() == x.len());
    assert!(scale.len() == c && of_x.len() == c && constant.len() == c);
    let (x, target) = (x.as_ptr(), target.as_mut_ptr().cast::<f32>());
    let (mean, scale) = (mean.as_ptr(), scale.as_ptr());
    let (of_x, constant) = (of_x.as_ptr(), constant.as_ptr());
    // SAFETY: x and target hold rows of c values, the others c; the rest is the caller's promise.
    unsafe {
        for row in 0..n_rows {
            let (x, target) = (x.add(row * c), target.add(row * c));
            each_vector!(V, c,
            i => {
                let centred = V::load(x.add(i)).sub(V::load(mean.add(i)));
                let rest = centred.mul_add(V::load(of_x.add(i)), V::load(constant.add(i)));
                V::load(target.add(i)).mul(V::load(scale.add(i))).sub(rest).store(target.add(i));
            },
            n => {
                let centred = V::load_first(x.add(i), n).sub(V::load_first(mean.add(i), n));
                let rest = centred.mul_add(V::load_first(of_x.add(i), n), V::load_first(constant.add(i), n));
                let slope = V::load_first(target.add(i), n).mul(V::load_first(scale.add(i), n));
                slope.sub(rest).store_first(target.add(i), n);
            });
        }
    }
}
multiversion! {
    /// `target = target * scale - ((x - mean) * of_x + constant)`, channel by channel.
    ///
    /// # Safety
    /// The target must have been written.
    unsafe fn finish(
        x: &[f32],
        mean: &[f32],
        scale: &[f32],
        of_x: &[f32],
        constant: &[f32],
        target: &mut [Slot],
    ) = finish_body;
}

/// What the norm of a batch needs beside its values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupNormShape {
    pub n_images: usize,
    pub n_groups: usize,
    pub eps: f64,
}

/// The sizes of an operation, checked.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// Rows of an image.
    n_rows: usize,
    /// Channels.
    c: usize,
    n_groups: usize,
    eps: f64,
}

impl GroupNormShape {
    /// Checks what forward and backward pass rely on.
    fn check(&self, x: &FlexTensor, weight: &FlexTensor, bias: &FlexTensor) -> Sizes {
        let Self { n_images, n_groups, eps } = *self;
        let shape = x.layout().shape();
        let [m, c] = shape[..] else { panic!("group_norm_gelu: the input must be [m, c], found {shape:?}") };
        assert!(
            n_images > 0 && m.is_multiple_of(n_images) && n_groups > 0 && c.is_multiple_of(n_groups),
            "group_norm_gelu: {m} rows of {n_images} images, {c} channels in {n_groups} groups"
        );
        expect_shape("group_norm_gelu", "the weight", weight.layout().shape(), &[c]);
        expect_shape("group_norm_gelu", "the bias", bias.layout().shape(), &[c]);
        Sizes { n_rows: m / n_images, c, n_groups, eps }
    }
}

impl Sizes {
    /// Values of an image.
    fn image_len(&self) -> usize {
        self.n_rows * self.c
    }

    /// The mean over each group of the channels' sums, once for each channel.
    fn group_means(&self, sums: &[f32]) -> Vec<f32> {
        let per_group = sums.len() / self.n_groups;
        let count = (per_group * self.n_rows) as f64;
        sums.chunks(per_group.max(1))
            .flat_map(|group| {
                let sum: f64 = group.iter().map(|&sum| f64::from(sum)).sum();
                std::iter::repeat_n((sum / count) as f32, group.len())
            })
            .collect()
    }

    /// Mean and inverse standard deviation of each channel's group in one image.
    fn statistics(&self, level: Level, x: &[f32]) -> [Vec<f32>; 2] {
        let c = self.c;
        let mean_power = |mean: &[f32], square: bool| {
            let sums = sum_over(row_blocks(self.n_rows, BLOCK_ROWS), c, |rows, sums| {
                add_powers(level, &x[rows.start * c..rows.end * c], mean, square, sums);
            });
            self.group_means(&sums)
        };
        let mean = mean_power(&vec![0.0; c], false);
        let mut inverse = mean_power(&mean, true);
        for variance in &mut inverse {
            *variance = (1.0 / (f64::from(*variance) + self.eps).sqrt()) as f32;
        }
        [mean, inverse]
    }
}

/// The products of two vectors' values.
fn products(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a * b).collect()
}

/// `gelu(group_norm(x))` of `[n_images * n, c]`.
pub(crate) fn group_norm_gelu(
    x: FlexTensor,
    weight: FlexTensor,
    bias: FlexTensor,
    norm: GroupNormShape,
) -> FlexTensor {
    let sizes = norm.check(&x, &weight, &bias);
    let level = level::current();
    let [x, weight, bias] = [x, weight, bias].map(contiguous);
    let (source, weight, shift) = (values(&x), values(&weight), values(&bias));
    let (c, image_len) = (sizes.c, sizes.image_len());
    let fill = |target: &mut [Slot]| {
        // Without values there is nothing to split.
        let images = target.par_chunks_mut(image_len.max(1)).zip(source.par_chunks(image_len.max(1)));
        images.with_max_len(1).for_each(|(target, x)| {
            let [mean, inverse] = sizes.statistics(level, x);
            let scale = products(&inverse, weight);
            for_row_chunks(target, c, |first, target| {
                let x = &x[first * c..][..target.len()];
                scale_gelu(level, x, &mean, &scale, shift, target);
            });
        });
    };
    // SAFETY: the chunks of all images cover the target, and every row of them is written.
    let y = unsafe { filled(source.len(), fill) };
    tensor(y, x.layout().shape().clone())
}

/// The gradients of x, weight and bias.
pub(crate) fn group_norm_gelu_backward(
    [x, weight, bias]: [FlexTensor; 3],
    gradient: FlexTensor,
    norm: GroupNormShape,
) -> [FlexTensor; 3] {
    let sizes = norm.check(&x, &weight, &bias);
    let shape = x.layout().shape().clone();
    expect_shape("group_norm_gelu", "the gradient", gradient.layout().shape(), &shape);
    let level = level::current();
    let [x, weight, bias, gradient] = [x, weight, bias, gradient].map(contiguous);
    let (source, weight, shift) = (values(&x), values(&weight), values(&bias));
    let gradient = values(&gradient);
    let (c, image_len) = (sizes.c, sizes.image_len());
    // The gradients of weight and bias from each image.
    let mut of_images = Vec::new();
    let fill = |target: &mut [Slot]| {
        let length = image_len.max(1);
        let images = target.par_chunks_mut(length).zip(source.par_chunks(length)).zip(gradient.par_chunks(length));
        let images = images.with_max_len(1).map(|((target, x), gradient)| {
            let [mean, inverse] = sizes.statistics(level, x);
            let scale = products(&inverse, weight);
            let blocks = row_blocks(sizes.n_rows, BLOCK_ROWS).zip(target.chunks_mut(BLOCK_ROWS * c));
            let sums = sum_over(blocks, 2 * c, |(rows, target), sums| {
                let rows = rows.start * c..rows.end * c;
                slopes(level, &x[rows.clone()], &gradient[rows], &mean, &scale, shift, target, sums);
            });
            let (of_bias, of_weight) = (&sums[..c], products(&sums[c..], &inverse));
            // What reaches x through mean and variance.
            let constant = products(&sizes.group_means(&products(of_bias, weight)), &inverse);
            let of_x = products(&sizes.group_means(&products(&of_weight, weight)), &inverse);
            let of_x = products(&of_x, &inverse);
            for_row_chunks(target, c, |first, target| {
                let x = &x[first * c..][..target.len()];
                // SAFETY: the blocks above cover the target, and every row of them was written.
                unsafe { finish(level, x, &mean, &scale, &of_x, &constant, target) };
            });
            [of_weight, of_bias.to_vec()]
        });
        of_images = images.collect();
    };
    // SAFETY: the blocks of all images cover the target, and every row of them is written.
    let dx = unsafe { filled(source.len(), fill) };
    let [mut dweight, mut dbias] = [vec![0.0; c], vec![0.0; c]];
    for [of_weight, of_bias] in &of_images {
        for i in 0..c {
            dweight[i] += of_weight[i];
            dbias[i] += of_bias[i];
        }
    }
    [tensor(dx, shape), tensor(dweight, [c]), tensor(dbias, [c])]
}
