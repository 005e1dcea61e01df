//! GroupNorm and GELU on rows, one a pixel, channels last, and their gradients.

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::math::{each_vector, gelu, gelu_derivative};
use super::memory::{Shared, contiguous, filled, for_row_chunks, sum_over_rows, tensor, values};
use super::simd::{Vector, multiversion};

/// Rows that are added up in one go.
const BLOCK_ROWS: usize = 256;

#[inline(always)]
unsafe fn add_powers_body<V: Vector>(
    x: *const f32,
    mean: *const f32,
    square: bool,
    sums: *mut f32,
    n_rows: usize,
    c: usize,
) {
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
    fn add_powers(
        x: *const f32,
        mean: *const f32,
        square: bool,
        sums: *mut f32,
        n_rows: usize,
        c: usize,
    ) = add_powers_body;
}

#[inline(always)]
unsafe fn scale_gelu_body<V: Vector>(
    x: *const f32,
    mean: *const f32,
    scale: *const f32,
    shift: *const f32,
    target: *mut f32,
    n_rows: usize,
    c: usize,
) {
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
        x: *const f32,
        mean: *const f32,
        scale: *const f32,
        shift: *const f32,
        target: *mut f32,
        n_rows: usize,
        c: usize,
    ) = scale_gelu_body;
}

#[inline(always)]
unsafe fn slopes_body<V: Vector>(
    x: *const f32,
    gradient: *const f32,
    mean: *const f32,
    scale: *const f32,
    shift: *const f32,
    target: *mut f32,
    sums: *mut f32,
    n_rows: usize,
    c: usize,
) {
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
        x: *const f32,
        gradient: *const f32,
        mean: *const f32,
        scale: *const f32,
        shift: *const f32,
        target: *mut f32,
        sums: *mut f32,
        n_rows: usize,
        c: usize,
    ) = slopes_body;
}

#[inline(always)]
unsafe fn finish_body<V: Vector>(
    x: *const f32,
    mean: *const f32,
    scale: *const f32,
    of_x: *const f32,
    constant: *const f32,
    target: *mut f32,
    n_rows: usize,
    c: usize,
) {
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
    fn finish(
        x: *const f32,
        mean: *const f32,
        scale: *const f32,
        of_x: *const f32,
        constant: *const f32,
        target: *mut f32,
        n_rows: usize,
        c: usize,
    ) = finish_body;
}

/// What the norm of a batch needs beside its values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupNormShape {
    pub n_images: usize,
    pub n_groups: usize,
    pub eps: f64,
}

impl GroupNormShape {
    /// Rows of an image.
    fn n_rows(&self, m: usize, c: usize) -> usize {
        let Self { n_images, n_groups, .. } = *self;
        assert!(
            n_images > 0 && m % n_images == 0 && n_groups > 0 && c % n_groups == 0,
            "group norm of {m} rows of {n_images} images, {c} channels in {n_groups} groups"
        );
        m / n_images
    }

    /// The mean over each group of the channels' sums, once for each channel.
    fn group_means(&self, sums: &[f32], n_rows: usize) -> Vec<f32> {
        let per_group = sums.len() / self.n_groups;
        let count = (per_group * n_rows) as f64;
        sums.chunks(per_group.max(1))
            .flat_map(|group| {
                let sum: f64 = group.iter().map(|&sum| f64::from(sum)).sum();
                std::iter::repeat_n((sum / count) as f32, group.len())
            })
            .collect()
    }

    /// Mean and inverse standard deviation of each channel's group in one image.
    fn statistics(&self, x: &[f32], n_rows: usize, c: usize) -> [Vec<f32>; 2] {
        let mean_power = |mean: &[f32], square: bool| {
            let sums = sum_over_rows(n_rows, BLOCK_ROWS, c, |first, count, sums| {
                let x = x[first * c..].as_ptr();
                // SAFETY: these rows exist, mean and sums hold c values.
                unsafe { add_powers(x, mean.as_ptr(), square, sums.as_mut_ptr(), count, c) };
            });
            self.group_means(&sums, n_rows)
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
    let [x, weight, bias] = [x, weight, bias].map(contiguous);
    let shape = x.layout().shape().clone();
    let (m, c) = (shape[0], shape[1]);
    let (source, weight, shift) = (values(&x), values(&weight), values(&bias));
    assert!(weight.len() == c && shift.len() == c, "scale and shift of {c} channels");
    let n = norm.n_rows(m, c);
    let fill = |target: *mut f32| {
        let target = Shared(target);
        (0..norm.n_images).into_par_iter().with_max_len(1).for_each(|image| {
            let x = &source[image * n * c..(image + 1) * n * c];
            let [mean, inverse] = norm.statistics(x, n, c);
            let scale = products(&inverse, weight);
            for_row_chunks(n, c, |first, count| {
                let x = x[first * c..].as_ptr();
                // SAFETY: these rows exist in the source and in the target.
                unsafe {
                    let target = target.get().add((image * n + first) * c);
                    let (mean, scale) = (mean.as_ptr(), scale.as_ptr());
                    scale_gelu(x, mean, scale, shift.as_ptr(), target, count, c);
                }
            });
        });
    };
    // SAFETY: every row is written.
    let y = unsafe { filled(m * c, fill) };
    tensor(y, shape)
}

/// The gradients of x, weight and bias.
pub(crate) fn group_norm_gelu_backward(
    [x, weight, bias]: [FlexTensor; 3],
    gradient: FlexTensor,
    norm: GroupNormShape,
) -> [FlexTensor; 3] {
    let [x, weight, bias, gradient] = [x, weight, bias, gradient].map(contiguous);
    let shape = x.layout().shape().clone();
    let (m, c) = (shape[0], shape[1]);
    let (source, weight, shift) = (values(&x), values(&weight), values(&bias));
    let gradient = values(&gradient);
    let n = norm.n_rows(m, c);
    // The gradients of weight and bias from each image.
    let mut of_images = Vec::new();
    let fill = |target: *mut f32| {
        let target = Shared(target);
        let images = (0..norm.n_images).into_par_iter().with_max_len(1).map(|image| {
            let start = image * n * c;
            let x = &source[start..start + n * c];
            let [mean, inverse] = norm.statistics(x, n, c);
            let scale = products(&inverse, weight);
            let sums = sum_over_rows(n, BLOCK_ROWS, 2 * c, |first, count, sums| {
                let at = first * c;
                let (x, gradient) = (x[at..].as_ptr(), gradient[start + at..].as_ptr());
                // SAFETY: these rows exist in the source, the gradient and the target.
                unsafe {
                    let target = target.get().add(start + at);
                    let (mean, scale, shift) = (mean.as_ptr(), scale.as_ptr(), shift.as_ptr());
                    slopes(x, gradient, mean, scale, shift, target, sums.as_mut_ptr(), count, c);
                }
            });
            let (of_bias, of_weight) = (&sums[..c], products(&sums[c..], &inverse));
            // What reaches x through mean and variance.
            let constant = products(&norm.group_means(&products(of_bias, weight), n), &inverse);
            let of_x = products(&norm.group_means(&products(&of_weight, weight), n), &inverse);
            let of_x = products(&of_x, &inverse);
            for_row_chunks(n, c, |first, count| {
                let x = x[first * c..].as_ptr();
                // SAFETY: these rows exist in the source and were written to the target above.
                unsafe {
                    let target = target.get().add(start + first * c);
                    let (mean, scale) = (mean.as_ptr(), scale.as_ptr());
                    finish(x, mean, scale, of_x.as_ptr(), constant.as_ptr(), target, count, c);
                }
            });
            [of_weight, of_bias.to_vec()]
        });
        of_images = images.collect();
    };
    // SAFETY: every row is written.
    let dx = unsafe { filled(m * c, fill) };
    let [mut dweight, mut dbias] = [vec![0.0; c], vec![0.0; c]];
    for [of_weight, of_bias] in &of_images {
        for i in 0..c {
            dweight[i] += of_weight[i];
            dbias[i] += of_bias[i];
        }
    }
    [tensor(dx, shape), tensor(dweight, [c]), tensor(dbias, [c])]
}
