//! Walking through a module: what parameters it has, and giving them values.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

use super::error::WeightError;
use super::file::WeightFile;
use super::keys::Target;
use super::transform::Transform;

/// Where the values of a parameter come from.
pub(crate) struct Source {
    pub keys: Vec<String>,
    pub transform: Transform,
    /// Shape of the first key's tensor.
    pub found: Vec<usize>,
}

/// The parameters of a module whose place in the assembled model is `root`.
pub(crate) fn targets<M: Module>(module: &M, root: &str) -> Vec<Target> {
    let mut lister = Lister { path: Path::under(root), targets: Vec::new() };
    module.visit(&mut lister);
    lister.targets
}

/// Gives the parameters that `sources` names by their paths their values; shapes have been checked. The others keep theirs.
///
/// # Errors
/// Where a tensor can't be read.
pub(crate) fn fill<M: Module>(
    module: M,
    file: &WeightFile,
    sources: BTreeMap<String, Source>,
    root: &str,
) -> Result<M, WeightError> {
    let mut filler = Filler { file, sources, path: Path::under(root), error: None };
    let module = module.map(&mut filler);
    filler.error.map_or(Ok(module), Err)
}

/// Calls `see` with every parameter of a module and its values, which are read when asked for.
pub(crate) fn for_each_value<M: Module>(module: &M, see: impl FnMut(Target, Box<dyn FnOnce() -> TensorData>)) {
    module.visit(&mut Reader { path: Path::under(""), see });
}

/// The names on the way to a parameter, and the type of the struct that holds it.
struct Path {
    names: Vec<String>,
    holders: Vec<String>,
}

impl Path {
    fn under(root: &str) -> Self {
        let names = if root.is_empty() { Vec::new() } else { vec![root.to_owned()] };
        Self { names, holders: Vec::new() }
    }

    fn enter(&mut self, name: &str, holder: &str) {
        self.names.push(name.to_owned());
        self.holders.push(holder.to_owned());
    }

    fn exit(&mut self) {
        self.names.pop();
        self.holders.pop();
    }

    fn target<const D: usize>(&self, param: &Param<Tensor<D>>) -> Target {
        let is_linear_weight = self.holders.last().is_some_and(|holder| holder == "Struct:Linear")
            && self.names.last().is_some_and(|name| name == "weight");
        Target { path: self.names.join("."), shape: param.lazy_shape().to_vec(), is_linear_weight }
    }
}

struct Lister {
    path: Path,
    targets: Vec<Target>,
}

impl ModuleVisitor for Lister {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.targets.push(self.path.target(param));
    }
}

struct Reader<F> {
    path: Path,
    see: F,
}

impl<F: FnMut(Target, Box<dyn FnOnce() -> TensorData>)> ModuleVisitor for Reader<F> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let target = self.path.target(param);
        let tensor = param.val();
        (self.see)(target, Box::new(move || tensor.into_data()));
    }
}

struct Filler<'a> {
    file: &'a WeightFile,
    sources: BTreeMap<String, Source>,
    path: Path,
    /// The first error; nothing is read after it.
    error: Option<WeightError>,
}

impl Filler<'_> {
    fn values(&self, target: &[usize]) -> Option<Result<Vec<f32>, WeightError>> {
        let source = self.sources.get(&self.path.names.join("."))?;
        let tensors: Result<Vec<_>, _> = source.keys.iter().map(|key| self.file.read(key)).collect();
        Some(tensors.map(|tensors| source.transform.apply(tensors, &source.found, target)))
    }
}

impl ModuleMapper for Filler<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.error.is_some() {
            return param;
        }
        let shape = param.lazy_shape();
        match self.values(&shape.to_vec()) {
            None => param,
            Some(Err(error)) => {
                self.error = Some(error);
                param
            }
            Some(Ok(values)) => {
                let fresh = Tensor::from_data(TensorData::new(values, shape), &param.lazy_device());
                let id = param.id;
                param.transform_for_load(fresh, id)
            }
        }
    }
}
