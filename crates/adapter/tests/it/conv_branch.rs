use burn::nn::GroupNormConfig;
use burn::tensor::Device;
use burn::tensor::activation::gelu;
use fastersam_adapter::{ConvBranchConfig, ConvNorm};

use crate::{assert_close, filled, floats, tensor, without_gradient};

fn tiny(norm: ConvNorm) -> ConvBranchConfig {
    ConvBranchConfig { channels: [16, 32, 64], norm }
}

#[test]
fn odd_sizes_round_up() {
    let device = Device::flex();
    let branch = tiny(ConvNorm::Group).init(&device);
    for (size, sides) in [(64, [16, 8, 4]), (50, [13, 7, 4]), (33, [9, 5, 3]), (1, [1, 1, 1])] {
        let maps = branch.forward(tensor([2, 1, size, size], 1, &device));
        assert_eq!(maps.stride4.dims(), [2, 16, sides[0], sides[0]]);
        assert_eq!(maps.stride8.dims(), [2, 32, sides[1], sides[1]]);
        assert_eq!(maps.stride16.dims(), [2, 64, sides[2], sides[2]]);
    }
}

#[test]
fn default_costs_0_41_gmac_at_224() {
    let macs = ConvBranchConfig::default().macs(224) as f64 / 1e9;
    assert!((macs - 0.41).abs() < 0.005, "{macs}");
}

#[test]
fn the_maps_of_an_image_do_not_depend_on_its_batch_mates() {
    let device = Device::flex();
    for (config, size) in
        [(tiny(ConvNorm::Group), 48), (tiny(ConvNorm::Group), 128), (ConvBranchConfig::default(), 112)]
    {
        let branch = filled(config.init(&device));
        let images = tensor([3, 1, size, size], 2, &device);
        let batch = branch.forward(images.clone());
        for i in 0..3 {
            let alone = branch.forward(images.clone().narrow(0, i, 1));
            for (alone, batch) in [
                (alone.stride4, &batch.stride4),
                (alone.stride8, &batch.stride8),
                (alone.stride16, &batch.stride16),
            ] {
                let batch = floats(batch.clone().narrow(0, i, 1));
                assert!(floats(alone) == batch, "image {i} of {size} pixels");
            }
        }
    }
}

#[test]
fn group_norm_equals_burns() {
    // Through the branch: the same weights with the norm of the library.
    let device = Device::flex();
    for (c, side) in [(8, 5), (16, 9), (64, 4)] {
        let x = tensor([3, c, side, side], 3, &device).mul_scalar(5.0).add_scalar(2.0);
        let ours = fastersam_adapter::GroupNorm::new(8, c, &device);
        let theirs = GroupNormConfig::new(8, c).init(&device);
        let rows = x.clone().permute([0, 2, 3, 1]).reshape([3 * side * side, c]);
        let expected = gelu(theirs.forward(x)).permute([0, 2, 3, 1]);
        assert_close(&floats(ours.forward_gelu(rows, 3)), &floats(expected), 2e-6);
    }
}

#[test]
fn every_parameter_gets_a_gradient() {
    let device = Device::flex().autodiff();
    for norm in [ConvNorm::Group, ConvNorm::Batch] {
        let branch = tiny(norm).init(&device);
        let maps = branch.forward(tensor([2, 1, 32, 32], 4, &device));
        // Not the plain sum: a normalized map's sum does not depend on the convolution.
        let loss = maps.stride16.clone() * tensor(maps.stride16.dims(), 5, &device);
        let lacking = without_gradient(&branch, loss.sum());
        // A bias before a norm over single channels has gradient zero but for rounding.
        assert!(lacking.iter().all(|dims| dims.len() == 1), "{norm:?}: {lacking:?}");
    }
}

#[test]
fn refuses_channels_that_do_not_split_into_groups() {
    let config = ConvBranchConfig { channels: [24, 32, 64], norm: ConvNorm::Group };
    let message = config.validate().unwrap_err().to_string();
    assert!(message.contains("multiple of 16") && message.contains("[24, 32, 64]"), "{message}");
    assert!(ConvBranchConfig { channels: [0, 32, 64], norm: ConvNorm::Group }.validate().is_err());
    assert!(ConvBranchConfig::default().validate().is_ok());
}

#[test]
fn configuration_refuses_unknown_keys() {
    let read = |text| toml::from_str::<ConvBranchConfig>(text);
    assert_eq!(read("channels = [64, 128, 256]").unwrap(), ConvBranchConfig::default());
    assert_eq!(read("channels = [16, 32, 64]\nnorm = \"batch\"").unwrap(), tiny(ConvNorm::Batch));
    assert!(read("channels = [16, 32, 64]\nnorms = \"batch\"").is_err());
}
