//! What the public operations can't be given: gradients of another shape, and matrices that exceed their memory.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn_flex::{FlexTensor, Layout};

use super::attention::Inputs;
use super::attention_backward::Backward;
use super::conv::conv_backward;
use super::gelu::gelu_backward;
use super::group_norm::group_norm_gelu_backward;
use super::linear::{LinearWants, hidden_gradient, linear_backward};
use super::memory::tensor;
use super::norm::{NormWants, layer_norm_backward};
use super::norm_2d::layer_norm_2d_backward;
use super::view::{Shared, View, ViewMut};
use super::{ConvShape, GroupNormShape};
use crate::layout::RaggedLayout;

#[track_caller]
fn check_refused<T>(message: &str, work: impl FnOnce() -> T) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(work)) else { panic!("not refused: {message}") };
    let found = panic.downcast_ref::<String>().expect("a message with numbers in it");
    assert!(found.contains(message), "expected {message:?}, found {found:?}");
}

fn ones<const D: usize>(shape: [usize; D]) -> FlexTensor {
    tensor(vec![1.0; shape.iter().product()], shape)
}

#[test]
fn gradients_of_another_shape_are_refused() {
    let wants = NormWants { x: true, affine: true };
    for wrong in [[2, 9], [4, 9], [3, 8], [9, 3]] {
        check_refused("layer_norm: the gradient must be [3, 9]", || {
            layer_norm_backward(ones([3, 9]), ones([9]), ones(wrong), 1e-6, wants)
        });
        check_refused("gelu: the gradient must be [3, 9]", || gelu_backward(ones([3, 9]), ones(wrong)));
        check_refused("linear_gelu: the gradient must be [3, 9]", || {
            hidden_gradient(&ones([3, 9]), None, ones(wrong))
        });
        check_refused("group_norm_gelu: the gradient must be [3, 9]", || {
            let norm = GroupNormShape { n_images: 1, n_groups: 3, eps: 1e-5 };
            group_norm_gelu_backward([ones([3, 9]), ones([9]), ones([9])], ones(wrong), norm)
        });
        check_refused("attention: the gradient must be [3, 9]", || {
            let layout = RaggedLayout::of_lengths(&[3]);
            let (qkv, gradient) = (ones([3, 27]), ones(wrong));
            let inputs = Inputs::of_qkv(View::of(&qkv), &layout, 3, None);
            Backward::checked(inputs, View::of(&gradient), false).of_qkv()
        });
    }
    check_refused("layer_norm_2d: the gradient must be [1, 3, 2, 4]", || {
        layer_norm_2d_backward(ones([1, 3, 2, 4]), ones([3]), ones([1, 3, 2, 3]), 1e-6, wants)
    });

    let wants = LinearWants { x: true, weight: true, bias: true };
    check_refused("linear: the gradient must be [3, 9], found [3, 8]", || {
        linear_backward(None, Some(ones([5, 9])), ones([3, 8]), wants)
    });
    check_refused("linear: the gradient must be [3, 9], found [4, 9]", || {
        linear_backward(Some(ones([3, 5])), None, ones([4, 9]), wants)
    });

    let shape = ConvShape::checked([4, 5], 2, 2);
    check_refused("conv3x3: the gradient must be [6, 9], found [7, 9]", || {
        conv_backward(None, Some(ones([18, 9])), ones([7, 9]), shape, wants)
    });
    check_refused("conv3x3: the weight must be [8, 18], found [9, 18]", || {
        conv_backward(None, Some(ones([18, 9])), ones([6, 8]), shape, wants)
    });
    check_refused("conv3x3: images of the gradient must be [1], found [2]", || {
        conv_backward(Some(ones([20, 2])), None, ones([12, 9]), shape, wants)
    });
}

#[test]
fn matrices_beyond_their_memory_are_refused() {
    for (shape, strides, first) in [
        ([3, 4], [4, 1], 1),
        ([3, 5], [4, 1], 0),
        ([4, 4], [4, 1], 0),
        ([3, 4], [-4, 1], 7),
        ([3, 4], [4, -1], 2),
        ([2, 2], [isize::MAX, 1], 0),
        ([1, 1], [1, 1], 12),
    ] {
        let tensor = ones([12]).with_layout(Layout::new(shape.into(), strides.to_vec(), first));
        check_refused("exceeds 12 values", || View::of(&tensor).shape());
    }
    // These do not: one is turned round in both directions, and one has nothing to exceed anything with.
    for (shape, strides, first) in [([3, 4], [-4, -1], 11), ([1 << 40, 2], [0, 1], 10), ([0, 4], [4, 1], 99)] {
        let tensor = ones([12]).with_layout(Layout::new(shape.into(), strides.to_vec(), first));
        assert_eq!(View::of(&tensor).shape(), shape);
    }

    let mut values = [1.0; 12];
    let view = View::of_rows(&values, [3, 4]);
    check_refused("rows 1..4 of 3", || view.rows(1..4));
    check_refused("rows 4..5 of 4", || view.cols(4..5));
    check_refused("row 3 of 3", || view.row(3));
    check_refused("row 0 of 4", || view.transposed().row(0));
    check_refused("exceeds 12 values", || View::of_rows(&values, [4, 4]));
    check_refused("a matrix [3, 5] in 12 values", || ViewMut::of_rows(&mut values, [3, 5]));
    // SAFETY: no two parts are ever used.
    let shared = unsafe { Shared::of_values(&mut values) };
    check_refused("exceeds 11 values", || shared.matrix(1, [3, 4], 4));
    check_refused("value 13 of 12", || shared.from(13));
    assert_eq!(shared.matrix(1, [3, 3], 4).shape(), [3, 3]);
}
