//! Layers whose weights are packed.

use burn::tensor::{Device, Tensor};
use fastersam_kernels::{Conv3x3, Linear};
use proptest::prelude::*;

use crate::support::{Numbers, on_threads, values};

fn layer([k, n]: [usize; 2], with_bias: bool, numbers: &mut Numbers) -> Linear {
    let device = Device::flex();
    let bias = with_bias.then(|| numbers.tensor([n], &device));
    Linear::from_parts(numbers.tensor([k, n], &device), bias)
}

/// All three ways through a layer.
fn outputs(layer: &Linear, x: &Tensor<2>, residual: &Tensor<2>) -> [Vec<f32>; 3] {
    [layer.rows(x.clone()), layer.rows_gelu(x.clone()), layer.rows_residual(x.clone(), residual.clone())]
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

#[test]
fn packed_convolutions_change_no_bit_either() {
    let device = Device::flex();
    let mut numbers = Numbers(14);
    for (channels, stride, size) in [([1, 32], 2, [37, 41]), ([24, 17], 1, [9, 14]), ([8, 8], 3, [1, 2])] {
        let mut conv = Conv3x3::new(channels, stride, true, &device);
        let [height, width] = size;
        let x: Tensor<2> = numbers.tensor([2 * height * width, channels[0]], &device);
        let (expected, expected_size) = conv.rows(x.clone(), size);
        conv.pack();
        assert_eq!(conv.weight.dims(), [0, 0, 3, 3], "the original is freed");
        let (found, found_size) = conv.rows(x, size);
        assert_eq!(found_size, expected_size);
        assert!(values(found) == values(expected), "{channels:?}");
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
