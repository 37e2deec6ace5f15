# %% [markdown]
# # Stacked autoencoders as scikit-learn estimators
#
# They take and give numpy arrays, so they fit into pipelines, cross-validation and searches. Scaling is not theirs: put
# a scaler in front.

# %%
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import sae_core as sae

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

# %% [markdown]
# ## Features without labels
#
# `transform` gives the deepest code; a simple classifier on it tells what the code keeps.

# %%
features = make_pipeline(
    StandardScaler(),
    sae.StackedAutoencoder(layers=(16, 6), activation="tanh", epochs=20, batch_size=32, random_state=0),
)
codes = features.fit_transform(X_train)
print("codes", codes.shape)
classifier = LogisticRegression(max_iter=1000).fit(codes, y_train)
print(f"logistic regression on {codes.shape[1]} numbers: {classifier.score(features.transform(X_test), y_test):.1%}")

# %% [markdown]
# ## Back to the columns

# %%
restored = features.inverse_transform(codes)
print("mean relative error by column:", (abs(restored - X_train) / X_train.std(axis=0)).mean(axis=0).round(2)[:5])

# %% [markdown]
# ## A classifier, fine-tuned with the labels

# %%
whole = make_pipeline(
    MinMaxScaler(), sae.StackedAutoencoderClassifier(layers=(16, 6), activation="tanh", epochs=8, random_state=0)
)
print("cross-validated:", cross_val_score(whole, X_train, y_train, cv=3).round(3))

# %% [markdown]
# ## Choosing the width

# %%
search = GridSearchCV(
    make_pipeline(StandardScaler(), sae.StackedAutoencoderClassifier(epochs=4, random_state=0)),
    {"stackedautoencoderclassifier__layers": [(8,), (16, 4)]},
    cv=2,
).fit(X_train, y_train)
print(search.best_params_, f"{search.score(X_test, y_test):.1%} on the test rows")
