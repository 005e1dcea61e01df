//! What runs on packed weights: layers, 3 x 3 convolutions, and the norm between them.

use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Tensor};
use fastersam_kernels::{Linear, PackedConv3x3, generic, group_norm_gelu};
use proptest::prelude::*;

use crate::support::{Numbers, TOLERANCE, check_close, on_threads, values};

fn layer([k, n]: [usize; 2], with_bias: bool, numbers: &mut Numbers) -> Linear {
    let device = Device::flex();
    let bias = with_bias.then(|| numbers.tensor([n], &device));
    Linear::from_parts(numbers.tensor([k, n], &device), bias)
}

/// All three ways through a layer.
fn outputs(layer: &Linear, x: &Tensor<2>, residual: &Tensor<2>) -> [Vec<f32>; 3] {
    [
        layer.rows(x.clone()),
        layer.rows_gelu(x.clone()),
        layer.rows_residual(x.clone(), residual.clone()),
    ]
    .map(values)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn packing_changes_no_bit(
        m in 0_usize..130,
        k in 1_usize..200,
        n in 1_usize..150,
        seed: u64,
        with_bias: bool,
        threads in 1_usize..3,
    ) {
        let mut numbers = Numbers(seed);
        let plain = layer([k, n], with_bias, &mut numbers);
        let mut packed = plain.clone();
        packed.pack();
        prop_assert_eq!(packed.weight.dims(), [0, 0], "the original is freed");
        let x = numbers.tensor([m, k], &Device::flex());
        let residual = numbers.tensor([m, n], &Device::flex());
        let expected = outputs(&plain, &x, &residual);
        let found = on_threads(threads, || outputs(&packed, &x, &residual));
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn packed_convolutions_equal_the_plain_ones(
        images in 1_usize..4,
        height in 1_usize..20,
        width in 1_usize..20,
        channels in 1_usize..20,
        out in 1_usize..40,
        stride in 1_usize..3,
        seed: u64,
        threads in 1_usize..3,
    ) {
        let device = Device::flex();
        let mut numbers = Numbers(seed);
        let conv = conv([channels, out], stride, &mut numbers);
        let rows: Tensor<2> = numbers.tensor([images * height * width, channels], &device);
        let map = rows.clone().reshape([images, height, width, channels]).permute([0, 3, 1, 2]);
        let expected = conv.forward(map).permute([0, 2, 3, 1]);
        let [_, expected_height, expected_width, _] = expected.dims();
        let packed = PackedConv3x3::pack(&conv).expect("a plain 3 x 3 convolution on flex");
        let (found, size) = on_threads(threads, || packed.rows(rows, [height, width]));
        prop_assert_eq!(size, [expected_height, expected_width]);
        check_close("convolution", &values(found), &values(expected), TOLERANCE);
    }

    #[test]
    fn group_norm_equals_its_composition(
        images in 1_usize..4,
        pixels in 1_usize..700,
        groups in 1_usize..9,
        per_group in 1_usize..9,
        seed: u64,
    ) {
        let device = Device::flex();
        let mut numbers = Numbers(seed);
        let c = groups * per_group;
        // Groups of few values may all be the same but for rounding, which an eps this large covers.
        let eps = 1e-2;
        let x: Tensor<2> = numbers.tensor([images * pixels, c], &device);
        let [weight, bias]: [Tensor<1>; 2] = [numbers.tensor([c], &device), numbers.tensor([c], &device)];
        let expected = generic::group_norm_gelu(x.clone(), weight.clone(), bias.clone(), [images, groups], eps);
        let found = group_norm_gelu(x, weight, bias, [images, groups], eps);
        check_close("group norm", &values(found), &values(expected), TOLERANCE);
    }
}

fn conv([channels, out]: [usize; 2], stride: usize, numbers: &mut Numbers) -> Conv2d {
    let device = Device::flex();
    let mut conv = Conv2dConfig::new([channels, out], [3, 3])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
        .init(&device);
    conv.weight = burn::module::Param::from_tensor(numbers.tensor([out, channels, 3, 3], &device));
    conv.bias = Some(burn::module::Param::from_tensor(numbers.tensor([out], &device)));
    conv
}

#[test]
fn deep_layers_too() {
    let mut numbers = Numbers(11);
    for (k, n) in [(1024, 33), (1025, 32), (3072, 48)] {
        let plain = layer([k, n], true, &mut numbers);
        let mut packed = plain.clone();
        packed.pack();
        for m in [1, 2, 13, 14, 15, 29, 113] {
            let x = numbers.tensor([m, k], &Device::flex());
            let residual = numbers.tensor([m, n], &Device::flex());
            assert!(outputs(&packed, &x, &residual) == outputs(&plain, &x, &residual), "{m} rows of {k}");
        }
    }
}

/// An image's convolution and norm are the same alone and in any company.
#[test]
fn images_do_not_depend_on_others() {
    let device = Device::flex();
    let mut numbers = Numbers(12);
    let conv = conv([8, 24], 2, &mut numbers);
    let packed = PackedConv3x3::pack(&conv).expect("a plain 3 x 3 convolution on flex");
    let [weight, bias]: [Tensor<1>; 2] = [numbers.tensor([24], &device), numbers.tensor([24], &device)];
    let (images, size) = (3, [37, 41]);
    let n = size[0] * size[1];
    let rows: Tensor<2> = numbers.tensor([images * n, 8], &device);
    let run = |rows: Tensor<2>, images: usize| {
        let (y, _) = packed.rows(rows, size);
        values(group_norm_gelu(y, weight.clone(), bias.clone(), [images, 8], 1e-5))
    };
    let all = run(rows.clone(), images);
    let each = all.len() / images;
    for image in 0..images {
        let alone = run(rows.clone().slice([image * n..(image + 1) * n, 0..8]), 1);
        assert!(alone == all[image * each..(image + 1) * each], "image {image}");
    }
}

/// A layer whose gradients are recorded must stay as it is.
#[test]
fn trained_layers_are_not_packed() {
    let device = Device::flex().autodiff();
    let mut numbers = Numbers(13);
    let mut layer = Linear::from_parts(numbers.tensor([5, 7], &device), None);
    layer.pack();
    assert_eq!(layer.weight.dims(), [5, 7]);
}
