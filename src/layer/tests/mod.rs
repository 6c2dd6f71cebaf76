mod families;
mod form;
mod pair;
