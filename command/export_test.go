package command

// GuideTexts is guideTexts, for the tests.
var GuideTexts = guideTexts
