"""Google Gemini: generateContent."""
