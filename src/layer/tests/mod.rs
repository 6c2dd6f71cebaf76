mod families;
mod form;
mod pair;
mod part;
mod split;
