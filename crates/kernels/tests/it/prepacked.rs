//! Layers whose weights are prepacked.

use burn::tensor::{Device, Tensor};
use fastersam_kernels::level::{levels, with_level};
use fastersam_kernels::{Conv3x3, Linear};
use proptest::prelude::*;

use crate::support::{Numbers, at_each_level, on_threads, values};

fn layer([k, n]: [usize; 2], with_bias: bool, numbers: &mut Numbers) -> Linear {
    let device = Device::flex();
    let bias = with_bias.then(|| numbers.tensor([n], &device));
    Linear::from_parts(numbers.tensor([k, n], &device), bias)
}

/// All three ways through a layer.
fn outputs(layer: &Linear, x: &Tensor<2>, residual: &Tensor<2>) -> [Vec<f32>; 3] {
    [layer.forward(x.clone()), layer.forward_gelu(x.clone()), layer.forward_residual(x.clone(), residual.clone())]
        .map(values)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn prepacking_changes_no_bit(
        m in 0_usize..130,
        k in 1_usize..200,
        n in 1_usize..150,
        seed: u64,
        with_bias: bool,
        threads in 1_usize..3,
    ) {
        let mut numbers = Numbers(seed);
        let plain = layer([k, n], with_bias, &mut numbers);
        let x = numbers.tensor([m, k], &Device::flex());
        let residual = numbers.tensor([m, n], &Device::flex());
        at_each_level(|| {
            let mut prepacked = plain.clone();
            prepacked.prepack();
            assert_eq!(prepacked.weight.dims(), [0, 0], "the original is freed");
            let expected = outputs(&plain, &x, &residual);
            let found = on_threads(threads, || outputs(&prepacked, &x, &residual));
            assert_eq!(found, expected);
        });
    }
}

#[test]
fn deep_layers_too() {
    let mut numbers = Numbers(11);
    for (k, n) in [(1024, 33), (1025, 32), (3072, 48)] {
        let plain = layer([k, n], true, &mut numbers);
        let rows = [1, 2, 13, 14, 15, 29, 113];
        let inputs = rows.map(|m| [k, n].map(|width| numbers.tensor([m, width], &Device::flex())));
        at_each_level(|| {
            let mut prepacked = plain.clone();
            prepacked.prepack();
            for [x, residual] in &inputs {
                assert!(outputs(&prepacked, x, residual) == outputs(&plain, x, residual), "{:?}", x.dims());
            }
        });
    }
}

#[test]
fn prepacked_convolutions_change_no_bit_either() {
    let device = Device::flex();
    let mut numbers = Numbers(14);
    for (channels, stride, size) in [([1, 32], 2, [37, 41]), ([24, 17], 1, [9, 14]), ([8, 8], 3, [1, 2])] {
        let plain = Conv3x3::new(channels, stride, true, &device);
        let [height, width] = size;
        let x: Tensor<2> = numbers.tensor([2 * height * width, channels[0]], &device);
        at_each_level(|| {
            let (expected, expected_size) = plain.forward(x.clone(), size);
            let mut conv = plain.clone();
            conv.prepack();
            assert_eq!(conv.weight.dims(), [0, 0, 3, 3], "the original is freed");
            let (found, found_size) = conv.forward(x.clone(), size);
            assert_eq!(found_size, expected_size);
            assert!(values(found) == values(expected), "{channels:?}");
        });
    }
}

/// The order of the weights is that of one level. A layer that another level meets must not be read in its way.
#[test]
fn prepacked_weights_stay_at_their_level() {
    let mut numbers = Numbers(15);
    let plain = layer([70, 45], true, &mut numbers);
    let [x, residual] = [70, 45].map(|width| numbers.tensor([29, width], &Device::flex()));
    for level in levels() {
        let expected = with_level(level, || outputs(&plain, &x, &residual));
        let prepacked = with_level(level, || {
            let mut layer = plain.clone();
            layer.prepack();
            layer
        });
        for found in at_each_level(|| outputs(&prepacked, &x, &residual)) {
            assert_eq!(found, expected, "{level}");
        }
    }
}

/// A layer whose gradients are recorded must stay as it is.
#[test]
fn trained_layers_are_not_prepacked() {
    let device = Device::flex().autodiff();
    let mut numbers = Numbers(13);
    let mut layer = Linear::from_parts(numbers.tensor([5, 7], &device), None);
    layer.prepack();
    assert_eq!(layer.weight.dims(), [5, 7]);
}
