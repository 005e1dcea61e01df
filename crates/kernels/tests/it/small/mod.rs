//! Every operation on small shapes, forward and backward: each length around those of the vectors, so that whatever
//! is read or written beside a tensor is beside its memory too.
//!
//! These are the tests that memcheck runs (see the crate's README): they must stay quick.

mod refused;

use burn::tensor::{Device, Tensor};
use fastersam_kernels::{Conv3x3, Linear, resize_bilinear};

use crate::attention::{check_cross, check_self};
use crate::maps::{check_conv, check_group_norm};
use crate::norm::{check_gelu, check_layer_norm, check_layer_norm_2d};
use crate::support::{Numbers, at_each_level, values};
use crate::{linear, narrow, support};

/// Around one and two vectors of eight and of sixteen lanes.
const LENGTHS: [usize; 9] = [1, 3, 7, 8, 9, 15, 17, 31, 33];

#[test]
fn gelu() {
    for n in LENGTHS {
        check_gelu([1, n], 1);
    }
    // More than one chunk.
    check_gelu([3, 257], 2);
}

#[test]
fn layer_norm() {
    for d in LENGTHS.into_iter().filter(|&d| d > 1) {
        check_layer_norm([3, d], 0.5, 3, [true; 3]);
    }
    // Sums of more than one block, with and without gradients of x.
    check_layer_norm([130, 5], 0.5, 4, [true; 3]);
    check_layer_norm([130, 5], 0.5, 5, [false, true, false]);
    check_layer_norm([5, 9], 0.5, 5, [true, false, false]);
}

#[test]
fn layer_norm_2d() {
    for width in LENGTHS {
        check_layer_norm_2d([2, 5, 1, width], 6, [true; 3]);
    }
    // More than one block of pixels.
    check_layer_norm_2d([2, 3, 7, 13], 7, [true; 3]);
    check_layer_norm_2d([1, 3, 7, 13], 8, [true, false, false]);
    check_layer_norm_2d([1, 3, 7, 13], 9, [false, true, false]);
}

#[test]
fn linear_layers_in_fewer_bits() {
    for k in LENGTHS {
        for [m, n] in [[1, 3], [3, 17], [15, 33]] {
            narrow::check_close([m, k, n], 13);
        }
    }
    // Rows of no columns have a bias only.
    narrow::check_close([3, 0, 5], 14);
    // Rows that lie apart in the cache.
    narrow::check_close([9, 1024, 100], 15);
}

#[test]
fn linear_layers() {
    for n in LENGTHS {
        linear::check([3, 5, n], 10, [true; 4], true);
    }
    for m in [1, 2, 6, 7, 14, 15, 29] {
        linear::check([m, 9, 35], 11, [true; 4], m % 2 == 0);
    }
    // A panel in more than one piece.
    linear::check([3, 1030, 5], 12, [true, false, true, true], true);
}

#[test]
fn prepacked_layers() {
    let device = Device::flex();
    let mut numbers = Numbers(13);
    for (k, n) in [(1, 1), (5, 33), (17, 16), (9, 70)] {
        let plain = Linear::from_parts(numbers.tensor([k, n], &device), Some(numbers.tensor([n], &device)));
        for m in [1, 7, 15] {
            let x: Tensor<2> = numbers.tensor([m, k], &device);
            let residual: Tensor<2> = numbers.tensor([m, n], &device);
            at_each_level(|| {
                let mut prepacked = plain.clone();
                prepacked.prepack();
                let [expected, found] = [&plain, &prepacked].map(|layer| {
                    let gelu = layer.forward_gelu(x.clone());
                    [gelu, layer.forward_residual(x.clone(), residual.clone())].map(values)
                });
                assert_eq!(found, expected, "[{m}, {k}] to {n}");
            });
        }
    }
    let plain = Conv3x3::new([3, 9], 2, true, &device);
    let x: Tensor<2> = numbers.tensor([2 * 5 * 7, 3], &device);
    at_each_level(|| {
        let mut prepacked = plain.clone();
        prepacked.prepack();
        let [expected, found] = [&plain, &prepacked].map(|conv| values(conv.forward(x.clone(), [5, 7]).0));
        assert_eq!(found, expected);
    });
}

#[test]
fn convolutions() {
    for (size, stride) in [([1, 1], 1), ([1, 6], 1), ([5, 1], 2), ([4, 3], 1), ([5, 7], 2), ([7, 5], 3)] {
        check_conv(2, size, [3, 9], stride, 14, [true; 3], true);
    }
    for out in [1, 16, 33] {
        check_conv(1, [3, 4], [1, out], 1, 15, [true; 3], false);
    }
}

#[test]
fn group_norms() {
    for c in [1, 8, 9, 17] {
        check_group_norm([2, 5], 1, c, 16, [true; 3]);
    }
    // More than one block of rows.
    check_group_norm([1, 260], 3, 9, 17, [true; 3]);
}

#[test]
fn attentions() {
    check_self(&[1, 0, 7, 17], 2, 3, 18, [true; 3]);
    check_self(&[9, 9], 1, 8, 19, [true, false, false]);
    check_cross(&[(3, 8), (0, 5), (1, 33), (2, 0)], 3, 5, 20, [true, true, true, false, false]);
    check_cross(&[(2, 15), (5, 16)], 1, 9, 21, [true; 5]);
}

#[test]
fn no_values_at_all() {
    linear::check([3, 1, 4], 22, [true; 4], true);
    let device = Device::flex();
    let none = Tensor::<2>::zeros([0, 5], &device);
    let weight = Tensor::<2>::ones([5, 3], &device);
    at_each_level(|| {
        assert_eq!(fastersam_kernels::linear(none.clone(), weight.clone(), None).dims(), [0, 3]);
        let nothing = Tensor::<2>::zeros([4, 0], &device);
        let from_nothing = Tensor::<2>::zeros([0, 3], &device);
        let zeros = fastersam_kernels::linear(nothing.clone(), from_nothing, None);
        assert_eq!(values(zeros), [0.0; 12]);
        let to_nothing = Tensor::<2>::zeros([5, 0], &device);
        assert_eq!(fastersam_kernels::linear(none.clone(), to_nothing, None).dims(), [0, 0]);
        assert_eq!(fastersam_kernels::gelu(nothing).dims(), [4, 0]);
    });
}

#[test]
fn resizing() {
    let map: Tensor<4> = Numbers(23).tensor([2, 3, 5, 7], &Device::flex());
    let resized = values(resize_bilinear(map.clone(), 9));
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    // Interpolation stays near the mean of what it interpolates.
    support::check_close("mean", &[mean(&resized)], &[mean(&values(map))], 0.5);
}
