use crate::doctor::diagnosis::Judgement;
use crate::doctor::evidence::Evidence;
use crate::doctor::links::subject::Subject;

pub fn judge(_evidence: &Evidence, _subject: &Subject) -> Judgement {
    Judgement::NotJudged("to be written".to_owned())
}
