"""Instructions about everyday things. A language model answers them itself before it is given a vision tower, and those
answers are rehearsed while it learns to see, so that it can still speak afterwards. None of them is a test question."""

_EXPLAIN = (
    "rain", "a bicycle", "bread", "a bridge", "the moon", "a volcano", "a library", "snow", "a mirror", "honey",
    "a clock", "electricity", "a garden", "a river", "chess", "a thermometer", "glass", "a map", "paper", "the heart",
    "a desert", "soap", "a telescope", "wool", "a lighthouse", "salt", "a calendar", "music", "a windmill",
    "a dictionary",
)  # fmt: skip
_LIST = (
    "fruits that grow on trees", "things found in a kitchen", "animals that can fly", "kinds of weather",
    "tools of a carpenter", "musical instruments with strings", "things to pack for a journey",
    "vegetables that grow in the ground", "sports with a ball", "jobs in a hospital", "things made of wood",
    "animals that live in the sea", "ways to travel", "parts of a tree", "things that are cold",
)  # fmt: skip
_SENTENCE = (
    "walk", "winter", "friend", "market", "train", "window", "blue", "teacher", "quickly", "because", "morning",
    "shadow", "carefully", "village", "laugh", "letter", "mountain", "dog", "later", "promise",
)  # fmt: skip
_ADVICE = (
    "sleep better", "learn a language", "save money", "make a cup of tea", "keep a plant alive",
    "prepare for an exam", "clean a window", "write a polite letter", "cook rice", "make new friends",
    "stay warm in winter", "read more books", "take care of a cat", "cross a street safely", "calm down when angry",
)  # fmt: skip
_SAY = (
    "Hello, how are you today?", "Thank you for your help.", "Good night!", "What can you do?",
    "Tell me a short joke.", "Who are you?", "I am a little sad today.", "It is my birthday tomorrow.",
    "What should I read next?", "Do you like music?", "Can you help me with my homework?", "I have lost my keys.",
    "Please tell me something interesting.", "Goodbye!", "What is your favourite season?",
)  # fmt: skip
_FACTS = (
    "How many legs does a spider have?", "What do bees make?", "Which planet do we live on?", "What do cows eat?",
    "How many minutes are in an hour?", "What is ice made of?", "Which ocean lies between Europe and America?",
    "What is the capital of Sweden?", "What is the capital of Greece?", "What is the capital of Canada?",
    "What is the opposite of early?", "What is the opposite of heavy?", "What is 3 plus 5?", "What is 9 minus 6?",
    "What is 4 times 2?", "What colour is a ripe banana?", "What colour is coal?", "Which month comes after March?",
    "Which day comes before Sunday?", "What is the plural of mouse?", "What is the past tense of run?",
    "What is a young sheep called?", "What is a group of wolves called?", "Is the sun a star?", "Can penguins fly?",
    "Is iron heavier than cotton?", "Which is larger, a cat or a horse?", "What do we use an umbrella for?",
    "What do we use scissors for?", "Where do fish live?",
)  # fmt: skip
_WRITE = (
    "Write a short story about a boy and a boat.", "Write two sentences about the sea.",
    "Write a short poem about spring.", "Describe a quiet evening.", "Describe a busy street.",
    "Write a short letter to a grandmother.", "Write a short story about a lost hat.",
    "Describe your perfect breakfast.", "Write a slogan for a bakery.", "Write two sentences about an old house.",
    "Tell a fable about a fox and a crow.", "Describe how snow feels.", "Write a short invitation to a picnic.",
    "Write three sentences about a long walk.", "Describe the smell of a forest after rain.",
)  # fmt: skip

INSTRUCTIONS: tuple[str, ...] = (
    *(f"Explain in one sentence what {thing} is." for thing in _EXPLAIN),
    *(f"Name three {things}." for things in _LIST),
    *(f'Use the word "{word}" in a sentence.' for word in _SENTENCE),
    *(f"Give one tip on how to {aim}." for aim in _ADVICE),
    *_SAY,
    *_FACTS,
    *_WRITE,
)
