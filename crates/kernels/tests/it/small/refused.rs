//! Shapes that do not fit together are refused before a value is read. Without the checks, kernels would read and
//! write beside their tensors: memcheck sees that as well.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};

use burn::tensor::{Device, Tensor};
use fastersam_kernels::{
    Conv3x3, GridPos, Linear, RaggedLayout, RelativePositions, conv3x3, gelu, group_norm_gelu, layer_norm,
    layer_norm_2d, linear, linear_gelu, linear_residual, ragged_attention, ragged_self_attention,
};

use crate::support::{at_each_level, layout, self_layout};

thread_local! {
    /// Whether this thread's panics are wanted: then they are not printed.
    static EXPECTS_PANIC: Cell<bool> = const { Cell::new(false) };
}

/// The message of the panic that `work` ends in.
fn panic_of<T>(work: impl FnOnce() -> T) -> Option<String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !EXPECTS_PANIC.get() {
                print(panic);
            }
        }));
    });
    EXPECTS_PANIC.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    EXPECTS_PANIC.set(false);
    let panic = outcome.err()?;
    let fixed = panic.downcast_ref::<&str>().map(|message| (*message).to_owned());
    panic.downcast_ref::<String>().cloned().or(fixed)
}

/// Fails where the operation does not refuse its input, or says something else, at any level, with or without
/// gradients.
fn check_refused<const D: usize>(message: &str, operation: impl Fn(&Device) -> Tensor<D> + Sync) {
    for device in [Device::flex(), Device::flex().autodiff()] {
        at_each_level(|| {
            let found = panic_of(|| operation(&device));
            assert!(
                found.as_ref().is_some_and(|found| found.contains(message)),
                "expected {message:?}, found {found:?}"
            );
        });
    }
}

/// A tensor that is followed by its gradients, where the device keeps any.
fn ones<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    let tensor = Tensor::ones(shape, device);
    if device.is_autodiff() { tensor.require_grad() } else { tensor }
}

#[test]
fn linear_layers() {
    check_refused("linear: the input must be [3, 6], found [3, 5]", |device| {
        linear(ones([3, 5], device), ones([6, 9], device), None)
    });
    for n in [0, 1, 8, 10] {
        let message = format!("linear: the bias must be [9], found [{n}]");
        let [x, weight] = [[3, 5], [5, 9]];
        check_refused(&message, |device| linear(ones(x, device), ones(weight, device), Some(ones([n], device))));
        check_refused(&message, |device| {
            linear_gelu(ones(x, device), ones(weight, device), Some(ones([n], device)))
        });
        check_refused(&message, |device| {
            let bias = Some(ones([n], device));
            linear_residual(ones(x, device), ones(weight, device), bias, ones([3, 9], device))
        });
    }
    for residual in [[2, 9], [3, 8], [9, 3], [1, 9]] {
        let message = format!("linear: the residual must be [3, 9], found {residual:?}");
        check_refused(&message, |device| {
            linear_residual(ones([3, 5], device), ones([5, 9], device), None, ones(residual, device))
        });
    }
    // No memory at all makes a result that is too large to count: 2^80 wraps round to 0.
    check_refused("linear: [1099511627776, 1099511627776] is too large", |device| {
        linear(ones([1 << 40, 0], device), ones([0, 1 << 40], device), None)
    });
}

#[test]
fn prepacked_layers() {
    let device = Device::flex();
    let layer = |n_bias: usize| {
        let mut layer = Linear::from_parts(ones([5, 9], &device), Some(ones([n_bias], &device)));
        layer.prepack();
        layer
    };
    let (good, bad) = (layer(9), layer(8));
    check_refused("linear: the input must be [3, 5], found [3, 4]", |device| good.forward(ones([3, 4], device)));
    check_refused("linear: the bias must be [9], found [8]", |device| bad.forward_gelu(ones([3, 5], device)));
    check_refused("linear: the residual must be [3, 9], found [3, 5]", |device| {
        good.forward_residual(ones([3, 5], device), ones([3, 5], device))
    });
    let mut conv = Conv3x3::new([2, 3], 1, true, &device);
    conv.prepack();
    check_refused("conv3x3: the weight must be [9, 3], found [18, 3]", |device| {
        conv.forward(ones([20, 1], device), [4, 5]).0
    });
    check_refused("conv3x3: the input must be [20, 2], found [21, 2]", |device| {
        conv.forward(ones([21, 2], device), [4, 5]).0
    });
}

#[test]
fn convolutions() {
    for n in [0, 1, 23, 25] {
        check_refused(&format!("conv3x3: the bias must be [24], found [{n}]"), |device| {
            conv3x3(ones([20, 2], device), ones([18, 24], device), Some(ones([n], device)), [4, 5], 1)
        });
    }
    check_refused("conv3x3: the weight must be [18, 24], found [9, 24]", |device| {
        conv3x3(ones([20, 2], device), ones([9, 24], device), None, [4, 5], 1)
    });
    check_refused("conv3x3: the input must be [0, 2], found [19, 2]", |device| {
        conv3x3(ones([19, 2], device), ones([18, 24], device), None, [4, 5], 1)
    });
    for (size, stride) in [([4, 5], 0), ([0, 5], 1), ([4, 0], 1)] {
        let message = format!("conv3x3: maps of {} x {} pixels with stride {stride}", size[0], size[1]);
        check_refused(&message, |device| {
            conv3x3(ones([20, 2], device), ones([18, 24], device), None, size, stride)
        });
    }
    // 20 pixels, if the product wraps round.
    let side = 1_usize << (usize::BITS - 2);
    check_refused("is too large", |device| {
        conv3x3(ones([20, 2], device), ones([18, 24], device), None, [side + 5, 4], 1)
    });
}

#[test]
fn norms() {
    for n in [0, 1, 8, 10] {
        for (what, weight, bias) in [("weight", n, 9), ("bias", 9, n)] {
            check_refused(&format!("layer_norm: the {what} must be [9], found [{n}]"), |device| {
                layer_norm(ones([3, 9], device), ones([weight], device), ones([bias], device), 1e-6)
            });
            check_refused(&format!("layer_norm_2d: the {what} must be [9], found [{n}]"), |device| {
                layer_norm_2d(ones([2, 9, 3, 3], device), ones([weight], device), ones([bias], device), 1e-6)
            });
            check_refused(&format!("group_norm_gelu: the {what} must be [9], found [{n}]"), |device| {
                let (weight, bias) = (ones([weight], device), ones([bias], device));
                group_norm_gelu(ones([6, 9], device), weight, bias, [2, 3], 1e-6)
            });
        }
    }
    for sizes in [[0, 3], [4, 3], [2, 0], [2, 2]] {
        check_refused("group_norm_gelu: 6 rows of", |device| {
            group_norm_gelu(ones([6, 9], device), ones([9], device), ones([9], device), sizes, 1e-6)
        });
    }
}

#[test]
fn attention_of_tensors_that_do_not_fit() {
    let layout = layout(&[(3, 4), (2, 2)], [2, 2], 1);
    let attend = |shapes: [[usize; 2]; 3], num_heads: usize, message: &str| {
        check_refused(message, |device| {
            let [q, k, v] = shapes.map(|shape| ones(shape, device));
            ragged_attention(q, k, v, &layout, num_heads, None)
        });
    };
    let good = [[5, 6], [6, 6], [6, 6]];
    attend(good, 0, "6 channels can't be split into 0 heads");
    attend(good, 4, "6 channels can't be split into 4 heads");
    attend([[5, 6], [6, 4], [6, 4]], 2, "need keys and values [n, 6] of one shape, found [6, 4] and [6, 4]");
    attend([[5, 6], [6, 6], [5, 6]], 2, "need keys and values [n, 6] of one shape, found [6, 6] and [5, 6]");
    let message =
        |q: usize, k: usize| format!("the layout has 5 queries and 6 keys, the tensors have {q} and {k}");
    attend([[4, 6], [6, 6], [6, 6]], 2, &message(4, 6));
    attend([[6, 6], [6, 6], [6, 6]], 2, &message(6, 6));
    attend([[5, 6], [5, 6], [5, 6]], 2, &message(5, 5));
    attend([[5, 6], [7, 6], [7, 6]], 2, &message(5, 7));
    check_refused("attention: 8 channels are no q, k and v of equal width", |device| {
        ragged_self_attention(ones([5, 8], device), &self_layout(&[5], [2, 2], 1), 1, None)
    });
}

#[test]
fn attention_with_tables_that_do_not_fit() {
    // Rows up to 3 apart, columns up to 2: tables of 7 and 5 rows.
    let corner = |row, col| GridPos { row, col };
    let positions = vec![corner(0, 0), corner(3, 2)];
    let layout = Arc::new(RaggedLayout::of_lengths(&[2]).with_positions(positions.clone(), positions));
    let attend = |layout: &Arc<RaggedLayout>, [height, width]: [[usize; 2]; 2], device: &Device| {
        let tables = RelativePositions { height: ones(height, device), width: ones(width, device) };
        ragged_self_attention(ones([2, 12], device), layout, 2, Some(tables))
    };
    for tables in [[[5, 2], [5, 2]], [[7, 2], [3, 2]], [[0, 2], [5, 2]], [[6, 2], [5, 2]]] {
        check_refused("positions farther apart than tables of", |device| attend(&layout, tables, device));
    }
    for tables in [[[7, 1], [5, 2]], [[7, 2], [5, 3]]] {
        check_refused("for heads of 2 channels", |device| attend(&layout, tables, device));
    }
    check_refused("relative positions need a layout with positions", |device| {
        attend(&Arc::new(RaggedLayout::of_lengths(&[2])), [[7, 2], [5, 2]], device)
    });
    // What fits is not refused.
    at_each_level(|| {
        let output = attend(&layout, [[7, 2], [5, 2]], &Device::flex());
        assert_eq!(output.dims(), [2, 4]);
    });
}

#[test]
fn layouts() {
    let nothing = |_: &Device| gelu(Tensor::<1>::zeros([1], &Device::flex()));
    check_refused("rows after", |device| {
        let _ = RaggedLayout::of_lengths(&[1, usize::MAX]);
        nothing(device)
    });
    check_refused("3 positions of 2 queries and 2 of 2 keys", |device| {
        let positions = |n: usize| vec![GridPos::default(); n];
        let _ = RaggedLayout::of_lengths(&[2]).with_positions(positions(3), positions(2));
        nothing(device)
    });
}
