package babilong

// texts are what is before the haystack, and between it and the question.
type texts struct{ head, tail string }

// own are this project's texts.
var own = [5]texts{
	ownText("says where people went", "A person is where he or she went last.",
		"Marta went to the barn. Ruben moved to the tower. Marta travelled to the mill. Where is Marta?", "Marta is in the mill"),
	ownText("says where people went and what they carried", "What a person took goes along until the person drops it, and then stays there.",
		"Marta went to the barn. Marta took the spoon there. Marta moved to the tower. Where is the spoon?", "The spoon is in the tower"),
	ownText("says where people went and what they carried", "What a person took goes along until the person drops it, and then stays there.",
		"Marta went to the barn. Marta took the spoon there. Marta moved to the tower. Marta went to the mill. Where was the spoon before the mill?", "Before the mill the spoon was in the tower"),
	ownText("says where places are", "",
		"The barn is north of the tower. The tower is east of the mill. What is north of the tower?", "The place north of the tower is the barn"),
	ownText("says what people gave to each other", "",
		"Marta took the spoon there. Marta gave the spoon to Ruben there. Ruben went to the barn. Who gave the spoon to Ruben?", "The spoon was given to Ruben by Marta"),
}

func ownText(what, rule, example, answer string) texts {
	head := "Some sentences of a text belong to a story that " + what + ". The other sentences do not matter. "
	if rule != "" {
		head += rule + " "
	}
	head += "Answer a question about the story with one short sentence.\n\nExample: " + example + "\nAnswer: " + answer + ".\n\nText:\n"
	return texts{head, "\n\nQuestion: "}
}

// published are BABILong's instructions and examples (github.com/booydar/babilong,
// babilong/prompts.py, Apache-2.0), word for word.
var published = [5]texts{
	publishedText(
		"I will give you context with the facts about positions of different persons hidden in some random text and a question. "+
			"You need to answer the question based only on the information from the facts. "+
			"If a person was in different locations, use the latest location to answer the question.",
		"<example>\nCharlie went to the hallway. Judith come back to the kitchen. Charlie travelled to balcony. Where is Charlie?\n"+
			"Answer: The most recent location of Charlie is balcony.\n</example>\n\n"+
			"<example>\nAlan moved to the garage. Charlie went to the beach. Alan went to the shop. Rouse travelled to balcony. Where is Alan?\n"+
			"Answer: The most recent location of Alan is shop.\n</example>",
		"Always return your answer in the following format: The most recent location of ’person’ is ’location’. Do not write anything else after that. "),
	publishedText(
		"I give you context with the facts about locations and actions of different persons hidden in some random text and a question."+
			"You need to answer the question based only on the information from the facts.\n"+
			"If a person got an item in the first location and travelled to the second location the item is also in the second location. "+
			"If a person dropped an item in the first location and moved to the second location the item remains in the first location.",
		"<example>\nCharlie went to the kitchen. Charlie got a bottle. Charlie moved to the balcony. Where is the bottle?\n"+
			"Answer: The bottle is in the balcony.\n</example>\n"+
			"<example>\nAlan moved to the garage. Alan got a screw driver. Alan moved to the kitchen. Where is the screw driver?\n"+
			"Answer: The screw driver is in the kitchen.\n</example>",
		"Always return your answer in the following format: The ’item’ is in ’location’. Do not write anything else after that."),
	publishedText(
		"I give you context with the facts about locations and actions of different persons hidden in some random text and a question. "+
			"You need to answer the question based only on the information from the facts.\n"+
			"If a person got an item in the first location and travelled to the second location the item is also in the second location. "+
			"If a person dropped an item in the first location and moved to the second location the item remains in the first location",
		"<example>\nJohn journeyed to the bedroom.Mary grabbed the apple. Mary went back to the bathroom. Daniel journeyed to the bedroom. "+
			"Daniel moved to the garden. Mary travelled to the kitchen. Where was the apple before the kitchen?\n"+
			"Answer: Before the kitchen the apple was in the bathroom.\n</example>\n"+
			"<example>\nJohn went back to the bedroom. John went back to the garden. John went back to the kitchen. Sandra took the football. "+
			"Sandra travelled to the garden. Sandra journeyed to the bedroom. Where was the football before the bedroom?\n"+
			"Answer: Before the kitchen the football was in the garden.\n</example>",
		"Always return your answer in the following format: Before the $location_1& the $item$ was in the $location_2$. Do not write anything else after that."),
	publishedText(
		"I will give you context with the facts about different people, their location and actions, hidden in some random text and a question. "+
			"You need to answer the question based only on the information from the facts.",
		"<example>\nThe hallway is south of the kitchen. The bedroom is north of the kitchen. What is the kitchen south of?\nAnswer: bedroom\n</example>\n"+
			"<example>\nThe garden is west of the bedroom. The bedroom is west of the kitchen. What is west of the bedroom?\nAnswer: garden\n</example>",
		"Your answer should contain only one word - location. Do not write anything else after that."),
	publishedText(
		"I will give you context with the facts about locations and their relations hidden in some random text and a question. "+
			"You need to answer the question based only on the information from the facts.",
		"<example>\nMary picked up the apple there. Mary gave the apple to Fred. Mary moved to the bedroom. Bill took the milk there. "+
			"Who did Mary give the apple to?\nAnswer: Fred\n</example>\n"+
			"<example>\nJeff took the football there. Jeff passed the football to Fred. Jeff got the milk there. Bill travelled to the bedroom. "+
			"Who gave the football?\nAnswer: Jeff\n</example>\n"+
			"<example>\nFred picked up the apple there. Fred handed the apple to Bill. Bill journeyed to the bedroom. Jeff went back to the garden. "+
			"What did Fred give to Bill?\nAnswer: apple\n</example>",
		"Your answer should contain only one word. Do not write anything else after that. Do not explain your answer."),
}

func publishedText(instruction, examples, post string) texts {
	return texts{instruction + "\n" + examples + "\n" + post + "\n<context>\n", "\n</context>\nQuestion: "}
}
