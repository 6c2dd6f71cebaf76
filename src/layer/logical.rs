//! What a layer is, whatever its tensor is called and however it is stored.

use crate::layer::naming::modules_and_leaf;
use crate::layer::{LayerSource, Role, modern_name};

/// A linear map of the model: base and tuned may store it in tensors of different layouts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogicalLayer {
    /// The module that holds it, in today's spelling and without the wrappers before it.
    module: String,
    role: Role,
    expert: Option<u32>,
}

/// The logical layer, and how many bytes of the tensor's name are the module that holds it; `None` for
/// layers that no model stores in two layouts.
pub fn logical_layer(layer: &LayerSource) -> Option<(LogicalLayer, usize)> {
    const IN_EXPERTS: &[Role] = &[Role::ExpertGate, Role::ExpertUp, Role::ExpertDown];
    const OF_PROJECTIONS: &[Role] = &[
        Role::AttentionQ,
        Role::AttentionK,
        Role::AttentionV,
        Role::MlpGate,
        Role::MlpUp,
    ];
    let name = layer.tensor.as_str();
    let (modules, leaf) = modules_and_leaf(name);
    let length = if IN_EXPERTS.contains(&layer.traits.role) {
        layer.traits.expert?;
        let container = "experts";
        let at = name.split('.').position(|segment| segment == container)?;
        let before: usize = name.split('.').take(at).map(|part| part.len() + 1).sum();
        before + container.len()
    } else if OF_PROJECTIONS.contains(&layer.traits.role) {
        // The leaf is the last module of `x.q_proj.weight`, and no module of `x.in_proj_weight`.
        let holders = modules.iter().filter(|module| **module != leaf);
        let length = holders.map(|module| module.len() + 1).sum::<usize>();
        length.checked_sub(1)?
    } else {
        return None;
    };
    let layer = LogicalLayer {
        module: modern_name(name.get(..length)?),
        role: layer.traits.role,
        expert: layer.traits.expert,
    };
    Some((layer, length))
}
