//! GroupNorm and GELU on rows, one a pixel, channels last, and their gradients.

mod kernels;

use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::fused::memory::{
    Slot, contiguous, expect_shape, filled, for_row_chunks, row_blocks, sum_over, tensor, values,
};
use crate::level::{self, Level};
use kernels::{add_powers, finish, scale_gelu, slopes};

/// Rows that are added up in one go.
const BLOCK_ROWS: usize = 256;

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
