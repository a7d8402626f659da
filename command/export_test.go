package command

// GuideTexts is guideTexts, for the tests.
var GuideTexts = guideTexts

// CallEdge is callEdge, for the tests.
var CallEdge = callEdge
