//! GroupNorm and GELU on rows, one a pixel, channels last.

use burn_flex::FlexTensor;

use super::math::{each_vector, gelu};
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

/// The mean over each group of channels, once for each of them.
fn spread(sums: &[f32], per_group: usize, n_rows: usize) -> Vec<f32> {
    let count = (per_group * n_rows) as f64;
    sums.chunks(per_group)
        .flat_map(|group| {
            let sum: f64 = group.iter().map(|&sum| f64::from(sum)).sum();
            std::iter::repeat_n((sum / count) as f32, group.len())
        })
        .collect()
}

/// `gelu(group_norm(x))` of `[n_images * n, c]`.
pub(crate) fn group_norm_gelu(
    x: FlexTensor,
    weight: FlexTensor,
    bias: FlexTensor,
    [n_images, n_groups]: [usize; 2],
    eps: f64,
) -> FlexTensor {
    let [x, weight, bias] = [x, weight, bias].map(contiguous);
    let shape = x.layout().shape().clone();
    let (m, c) = (shape[0], shape[1]);
    let (source, weight, shift) = (values(&x), values(&weight), values(&bias));
    assert!(
        n_images > 0 && m % n_images == 0 && n_groups > 0 && c % n_groups == 0,
        "group norm of {m} rows of {n_images} images, {c} channels in {n_groups} groups"
    );
    assert!(weight.len() == c && shift.len() == c, "scale and shift of {c} channels");
    let (n, per_group) = (m / n_images, c / n_groups);
    let fill = |target: *mut f32| {
        let target = Shared(target);
        for image in 0..n_images {
            let x = &source[image * n * c..(image + 1) * n * c];
            let mean_power = |mean: &[f32], square: bool| {
                let sums = sum_over_rows(n, BLOCK_ROWS, c, |first, count, sums| {
                    let x = x[first * c..].as_ptr();
                    // SAFETY: these rows exist, mean and sums hold c values.
                    unsafe { add_powers(x, mean.as_ptr(), square, sums.as_mut_ptr(), count, c) };
                });
                spread(&sums, per_group, n)
            };
            let mean = mean_power(&vec![0.0; c], false);
            let variance = mean_power(&mean, true);
            let inverse = |variance: f32| (1.0 / (f64::from(variance) + eps).sqrt()) as f32;
            let scale: Vec<f32> =
                variance.iter().zip(weight).map(|(&variance, weight)| inverse(variance) * weight).collect();
            for_row_chunks(n, c, |first, count| {
                let x = x[first * c..].as_ptr();
                // SAFETY: these rows exist in the source and in the target.
                unsafe {
                    let target = target.get().add((image * n + first) * c);
                    let (mean, scale) = (mean.as_ptr(), scale.as_ptr());
                    scale_gelu(x, mean, scale, shift.as_ptr(), target, count, c);
                }
            });
        }
    };
    // SAFETY: every row is written.
    let y = unsafe { filled(m * c, fill) };
    tensor(y, shape)
}
